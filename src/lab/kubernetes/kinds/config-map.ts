import { boolean, bytes, map, string } from "#lib/apiserver/openapi/build.ts";
import { forbiddenField, invalid, tooLong } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type ConfigMap, configMaps } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";
import { same } from "./rules.ts";

/** Fields of ConfigMaps and Secrets that not every client reads. */
interface Frozen {
  readonly immutable?: boolean;
}

export const configMapDefinition = kind<ConfigMap & Frozen>({
  resource: configMaps,
  package: "io.k8s.api.core.v1",
  description: "Settings for pods to read.",
  fields: {
    data: map(string("Text."), "Text by key."),
    binaryData: map(bytes("Bytes in base64."), "Bytes by key."),
    immutable: boolean("True: data cannot change any more."),
  },
  shortNames: ["cm"],
  columns: [
    nameColumn,
    {
      name: "Data",
      type: "string",
      description: "Number of keys.",
      value: ({ data, binaryData }) => Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
    },
    ageColumn,
  ],
  validate: (object, _context, old) => [
    ...checkKeys("data", object.data),
    ...checkKeys("binaryData", object.binaryData),
    // Both together are too long, so Kubernetes names neither ("[]").
    ...checkSize("[]", textBytes(object.data) + base64Bytes(object.binaryData)),
    ...(old?.immutable ? ["data", "binaryData", "immutable"].flatMap((field) => checkFrozen(field, object, old)) : []),
  ],
});

/** Keys become file names. */
export function checkKeys(path: string, entries: object | undefined) {
  return Object.keys(entries ?? {}).flatMap((key) =>
    /^[-._a-zA-Z0-9]{1,253}$/.test(key) && key !== "." && key !== ".."
      ? []
      : [invalid(`${path}[${key}]`, key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'")],
  );
}

/** What a ConfigMap or a Secret holds at most, in bytes (core `MaxSecretSize`). */
export const largestContentBytes = 1_048_576;

export const checkSize = (path: string, bytes: number) => (bytes > largestContentBytes ? [tooLong(path, largestContentBytes)] : []);

const textBytes = (entries: Readonly<Record<string, unknown>> = {}): number =>
  Object.values(entries).reduce<number>((sum, text) => sum + Buffer.byteLength(String(text)), 0);

/** Decoded. */
export const base64Bytes = (entries: Readonly<Record<string, unknown>> = {}): number =>
  Object.values(entries).reduce<number>((sum, text) => sum + Buffer.byteLength(String(text), "base64"), 0);

export function checkFrozen(field: string, object: object, old: object) {
  const value = (of: object): unknown => (of as Readonly<Record<string, unknown>>)[field];
  return same(value(object), value(old)) ? [] : [forbiddenField(field, "field is immutable when `immutable` is set")];
}
