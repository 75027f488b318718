import type { KubeObject } from "#lib/kube/types.ts";
import { invalid } from "../field-error.ts";
import { kindSchema } from "../openapi/meta.ts";
import { allVerbs, defineResource, type ResourceDefinition } from "../resource.ts";

/** Small kinds that between them use every rule of the server, for its tests. */

export const namespace: ResourceDefinition = defineResource({
  group: "",
  version: "v1",
  resource: "namespaces",
  singular: "namespace",
  kind: "Namespace",
  listKind: "NamespaceList",
  namespaced: false,
  shortNames: ["ns"],
  verbs: allVerbs,
  nameRule: "label",
  subresources: { status: true },
  schema: kindSchema({
    id: "io.k8s.api.core.v1.Namespace",
    group: "",
    version: "v1",
    kind: "Namespace",
    description: "A room for names.",
    fields: {
      spec: { type: "object", properties: { finalizers: { type: "array", items: { type: "string" } } } },
      status: { type: "object", properties: { phase: { type: "string" } } },
    },
  }),
  selectableFields: { "status.phase": (object) => (object as { status?: { phase?: string } }).status?.phase ?? "" },
  store: "durable",
});

export interface Gadget extends KubeObject {
  readonly spec?: {
    readonly size?: number;
    readonly color?: string;
    readonly node?: string;
    readonly tags?: Readonly<Record<string, string>>;
  };
  readonly status?: { readonly ready?: boolean; readonly replicas?: number };
}

/** Namespaced, with status, scale, generation, defaults, validation, selectable fields, columns and graceful deletion. */
export const gadget: ResourceDefinition = defineResource<Gadget>({
  group: "test.antrea.io",
  version: "v1",
  resource: "gadgets",
  singular: "gadget",
  kind: "Gadget",
  listKind: "GadgetList",
  namespaced: true,
  shortNames: ["gdt"],
  categories: ["all"],
  verbs: allVerbs,
  generation: true,
  schema: kindSchema({
    id: "io.antrea.test.v1.Gadget",
    group: "test.antrea.io",
    version: "v1",
    kind: "Gadget",
    description: "Something of a size and a color.",
    fields: {
      spec: {
        type: "object",
        description: "What it should be.",
        properties: {
          size: { type: "integer", format: "int32", minimum: 0, description: "How large." },
          color: { type: "string", enum: ["red", "green", "blue"], description: "How it looks." },
          node: { type: "string", description: "Where it is." },
          tags: { type: "object", additionalProperties: { type: "string" } },
        },
      },
      status: { type: "object", properties: { ready: { type: "boolean" }, replicas: { type: "integer" } } },
    },
  }),
  defaults(object) {
    object.spec ??= {};
    object.spec.size ??= 1;
  },
  validate: (object, _context, old) =>
    old?.spec?.color !== undefined && object.spec?.color !== old.spec.color
      ? [invalid("spec.color", object.spec?.color, "field is immutable once set")]
      : [],
  deletionGraceSeconds: (object, requested) => (object.spec?.node === undefined ? 0 : (requested ?? 30)),
  columns: [
    { name: "Name", type: "string", format: "name", value: (object) => object.metadata.name ?? "" },
    { name: "Size", type: "integer", value: (object) => object.spec?.size ?? 0 },
    { name: "Age", type: "date", value: (object) => object.metadata.creationTimestamp ?? null },
    { name: "Color", type: "string", priority: 1, value: (object) => object.spec?.color ?? "<none>" },
  ],
  selectableFields: { "spec.node": (object) => object.spec?.node ?? "" },
  subresources: { status: true, scale: { specReplicas: ["spec", "size"], statusReplicas: ["status", "replicas"] } },
  store: "durable",
});

/** Namespaced, without a schema: anything goes. */
export const note: ResourceDefinition = defineResource({
  group: "",
  version: "v1",
  resource: "notes",
  singular: "note",
  kind: "Note",
  listKind: "NoteList",
  namespaced: true,
  verbs: allVerbs,
  store: "durable",
});

/** Pods without rules, for connections to them. */
export const plainPods: ResourceDefinition = defineResource({
  group: "",
  version: "v1",
  resource: "pods",
  singular: "pod",
  kind: "Pod",
  listKind: "PodList",
  namespaced: true,
  verbs: allVerbs,
  store: "durable",
});
