import { boolean, bytes, map, string } from "#lib/apiserver/openapi/build.ts";
import { invalid } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type Secret, secrets } from "#lib/kube/kinds.ts";
import { base64Bytes, checkFrozen, checkKeys, checkSize } from "./config-map.ts";
import { kind } from "./kind.ts";
import { checkUnchanged } from "./rules.ts";

interface FullSecret extends Secret {
  readonly immutable?: boolean;
  readonly stringData?: Readonly<Record<string, string>>;
}

export const secretDefinition = kind<FullSecret>({
  resource: secrets,
  package: "io.k8s.api.core.v1",
  description: "Like a ConfigMap, for what not everybody may read. Not encrypted in this lab's storage.",
  fields: {
    type: string("What the keys mean.", { default: "Opaque" }),
    data: map(bytes("Bytes in base64."), "Bytes by key."),
    stringData: map(string("Text."), "Text by key; only written: it is kept in data."),
    immutable: boolean("True: data cannot change any more."),
  },
  columns: [
    nameColumn,
    { name: "Type", type: "string", description: "What the keys mean.", value: ({ type }) => type ?? "Opaque" },
    { name: "Data", type: "integer", description: "Number of keys.", value: ({ data }) => Object.keys(data ?? {}).length },
    ageColumn,
  ],
  selectableFields: { type: ({ type }) => type ?? "" },
  defaults(secret) {
    secret.type ??= "Opaque";
    if (secret.stringData === undefined) return;
    const encoded = Object.entries(secret.stringData ?? {}).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
    secret.data = { ...secret.data, ...Object.fromEntries(encoded) };
    delete secret.stringData;
  },
  validate: (secret, _context, old) => [
    ...checkKeys("data", secret.data),
    ...checkSize("data", base64Bytes(secret.data)),
    ...Object.entries(secret.data ?? {}).flatMap(([key, value]) =>
      /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)
        ? []
        : [invalid(`data[${key}]`, "<secret>", "must be base64")],
    ),
    ...(old === undefined ? [] : checkUnchanged("type", secret.type, old.type)),
    ...(old?.immutable ? ["data", "immutable"].flatMap((field) => checkFrozen(field, secret, old)) : []),
  ],
});
