import { boolean, int64, list, listBy, map, part, set, string, use } from "./build.ts";
import type { JsonSchema } from "./schema.ts";

const metaV1 = "io.k8s.apimachinery.pkg.apis.meta.v1";

export const time: JsonSchema = {
  $id: `${metaV1}.Time`,
  description: "A moment in RFC 3339 form, in whole seconds.",
  type: "string",
  format: "date-time",
};

export const microTime: JsonSchema = {
  $id: `${metaV1}.MicroTime`,
  description: "A moment in RFC 3339 form, in microseconds.",
  type: "string",
  format: "date-time",
};

export const quantity: JsonSchema = {
  $id: "io.k8s.apimachinery.pkg.api.resource.Quantity",
  description: "A number with an optional suffix: 100m, 1.5, 64Mi, 2G.",
  type: "string",
  "x-kubernetes-int-or-string": true,
};

export const intOrString: JsonSchema = {
  $id: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
  description: "A whole number or a string.",
  type: "string",
  format: "int-or-string",
  "x-kubernetes-int-or-string": true,
};

const ownerReference = part(
  `${metaV1}.OwnerReference`,
  "An object that this object depends on: it is deleted after its last owner.",
  {
    apiVersion: string("API version of the owner."),
    kind: string("Kind of the owner."),
    name: string("Name of the owner."),
    uid: string("UID of the owner."),
    controller: boolean("True for the one owner that manages this object."),
    blockOwnerDeletion: boolean("With foreground deletion, the owner stays until this object is gone."),
  },
  ["apiVersion", "kind", "name", "uid"],
);

export const objectMeta = part(`${metaV1}.ObjectMeta`, "Metadata that every stored object carries.", {
  name: string("Name, unique among objects of this kind in the namespace. Cannot change."),
  generateName: string("Prefix from which the server makes a unique name when name is empty."),
  namespace: string("Namespace the object lives in. Cannot change."),
  labels: map(string("Value of the label."), "Keys and values that selectors match."),
  annotations: map(string("Value of the annotation."), "Keys and values that tools keep with the object; never selected by."),
  uid: string("Identity in time and space. Set by the server."),
  resourceVersion: string("Version of the stored object; an update must name the current one or none. Set by the server."),
  generation: int64("Counts changes of the desired state. Set by the server."),
  creationTimestamp: use(time, "When the object was created. Set by the server."),
  deletionTimestamp: use(time, "When the object will be, or was asked to be, deleted. Set by the server."),
  deletionGracePeriodSeconds: int64("Seconds between the request to delete and removal. Set by the server."),
  ownerReferences: listBy("uid", ownerReference, "Objects that this one depends on."),
  finalizers: set(string("Name of a finalizer."), "Who must act before the object is removed."),
  managedFields: list(
    { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    "Which fields each client has set. Set by the server.",
  ),
  selfLink: string("No longer set."),
});

export const listMeta = part(`${metaV1}.ListMeta`, "Metadata of a list.", {
  resourceVersion: string("Version of the collection at which the list was read: a watch can go on from it."),
  continue: string("Token for the next part of the list."),
  remainingItemCount: int64("How many items follow in later parts."),
  selfLink: string("No longer set."),
});

const labelSelectorRequirement = part(
  `${metaV1}.LabelSelectorRequirement`,
  "A condition on one label.",
  {
    key: string("Label the condition is about."),
    operator: string("In, NotIn, Exists or DoesNotExist."),
    values: list(string("A value."), "Values for In and NotIn; empty for the others."),
  },
  ["key", "operator"],
);

export const labelSelector = part(
  `${metaV1}.LabelSelector`,
  "Selects objects by labels; all conditions must hold. Empty selects everything.",
  {
    matchLabels: map(string("Value the label must have."), "Labels that must be present with these values."),
    matchExpressions: list(labelSelectorRequirement, "Further conditions."),
  },
  [],
  { "x-kubernetes-map-type": "atomic" },
);

export const condition = part(
  `${metaV1}.Condition`,
  "One aspect of the current state.",
  {
    type: string("Name of the condition."),
    status: string("True, False or Unknown."),
    observedGeneration: int64("metadata.generation that the condition is about."),
    lastTransitionTime: use(time, "When status last changed."),
    reason: string("One word that says why."),
    message: string("Text for people."),
  },
  ["type", "status", "lastTransitionTime", "reason", "message"],
);

const statusCause = part(`${metaV1}.StatusCause`, "One of the reasons of a failure.", {
  reason: string("Machine readable."),
  message: string("For people."),
  field: string("Path of the field at fault."),
});

const statusDetails = part(`${metaV1}.StatusDetails`, "What a Status is about.", {
  name: string("Name of the object."),
  group: string("API group of the object."),
  kind: string("Kind or resource of the object."),
  uid: string("UID of the object."),
  causes: list(statusCause, "Every reason of the failure."),
  retryAfterSeconds: int64("When to try again."),
});

/** Answer to a request that returns no object. */
export const status: JsonSchema = {
  ...part(`${metaV1}.Status`, "Result of a request.", {
    apiVersion: string("v1."),
    kind: string("Status."),
    metadata: use(listMeta, "Metadata of the answer."),
    status: string("Success or Failure."),
    message: string("Text for people."),
    reason: string("One word that says why."),
    details: use(statusDetails, "What the status is about."),
    code: int64("HTTP status code."),
  }),
  "x-kubernetes-group-version-kind": [{ group: "", version: "v1", kind: "Status" }],
};

const preconditions = part(`${metaV1}.Preconditions`, "What must hold for a request to be carried out.", {
  uid: string("The object must have this UID."),
  resourceVersion: string("The object must have this version."),
});

/** Body of a delete request. */
export const deleteOptions = part(`${metaV1}.DeleteOptions`, "How to delete.", {
  apiVersion: string("v1."),
  kind: string("DeleteOptions."),
  gracePeriodSeconds: int64("Seconds until removal; 0 removes at once."),
  preconditions: use(preconditions, "What must hold for the deletion."),
  orphanDependents: boolean("Replaced by propagationPolicy."),
  propagationPolicy: string("Orphan, Background or Foreground."),
  dryRun: list(string("All."), "All: check everything, change nothing."),
});

/** The schema of a stored kind: `apiVersion`, `kind`, `metadata` and the given fields. */
export function kindSchema(options: {
  /** Name in OpenAPI: `io.k8s.api.core.v1.Pod`. */
  readonly id: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly description: string;
  readonly fields: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}): JsonSchema {
  const { id, group, version, kind, description, fields, required = [] } = options;
  const shape = {
    apiVersion: string("APIVersion defines the version of the schema that the object is written in."),
    kind: string("Kind of the object."),
    metadata: use(objectMeta, "Name, labels and the like."),
    ...fields,
  };
  return { ...part(id, description, shape, required), "x-kubernetes-group-version-kind": [{ group, version, kind }] };
}
