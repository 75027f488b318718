import { list, part, set, string, use } from "#lib/apiserver/openapi/build.ts";
import { condition } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type Namespace, namespaces } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";

/** Holds a namespace until the namespace controller has deleted its content. */
export const contentFinalizer = "kubernetes";

export const namespaceDefinition = kind<Namespace>({
  resource: namespaces,
  package: "io.k8s.api.core.v1",
  description: "A scope for names.",
  fields: {
    spec: part("io.k8s.api.core.v1.NamespaceSpec", "What the namespace shall be.", {
      finalizers: set(string("Name of a finalizer."), "Who must act before the namespace is removed."),
    }),
    status: part("io.k8s.api.core.v1.NamespaceStatus", "What the namespace is.", {
      phase: string("Active or Terminating."),
      conditions: list(use(condition, "A condition.", { required: ["type", "status"] }), "What keeps a deletion from ending."),
    }),
  },
  shortNames: ["ns"],
  nameRule: "label",
  subresources: { status: true },
  columns: [
    nameColumn,
    { name: "Status", type: "string", description: "Active or Terminating.", value: ({ status }) => status?.phase ?? "Active" },
    ageColumn,
  ],
  selectableFields: { "status.phase": ({ status }) => status?.phase ?? "Active" },
  prepare: {
    create(namespace) {
      namespace.spec = { ...namespace.spec, finalizers: [...new Set([...(namespace.spec?.finalizers ?? []), contentFinalizer])] };
      namespace.status = { phase: "Active" };
    },
  },
});
