import { type FieldError, forbiddenField } from "#lib/apiserver/field-error.ts";
import { list, listBy, map, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { labelSelector, quantity, time } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { Draft } from "#lib/apiserver/resource.ts";
import { kind } from "../kind.ts";
import { checkSelector, same } from "../rules.ts";
import { checkModes, checkStorage, shortModes } from "./rules.ts";
import { type PersistentVolumeClaim, persistentVolumeClaims, type VolumeClaimSpec } from "./types.ts";

const core = "io.k8s.api.core.v1";

const resources = part(`${core}.VolumeResourceRequirements`, "How much there shall be.", {
  limits: map(quantity, "At most."),
  requests: map(quantity, "At least: storage."),
});

const reference = part(
  `${core}.TypedObjectReference`,
  "What the volume begins with.",
  { apiGroup: string("Group of the object."), kind: string("Its kind."), name: string("Its name."), namespace: string("Its namespace.") },
  ["kind", "name"],
);

const localReference = part(
  `${core}.TypedLocalObjectReference`,
  "What the volume begins with.",
  { apiGroup: string("Group of the object."), kind: string("Its kind."), name: string("Its name.") },
  ["kind", "name"],
);

const spec = part(`${core}.PersistentVolumeClaimSpec`, "What is claimed.", {
  accessModes: list(string("ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod."), "How it shall be mounted."),
  selector: use(labelSelector, "Volumes that will do."),
  resources: use(resources, "How much.", { default: {} }),
  volumeName: string("The volume that is bound to the claim."),
  storageClassName: string("Class of the volume."),
  volumeMode: string("Filesystem or Block."),
  dataSource: use(localReference, "What the volume begins with."),
  dataSourceRef: use(reference, "What the volume begins with."),
  volumeAttributesClassName: string("Class of changeable attributes."),
});

const condition = part(
  `${core}.PersistentVolumeClaimCondition`,
  "One aspect of the state.",
  {
    type: string("Name of the condition."),
    status: string("True, False or Unknown."),
    lastProbeTime: use(time, "When it was looked at."),
    lastTransitionTime: use(time, "When status last changed."),
    reason: string("One word that says why."),
    message: string("Text for people."),
  },
  ["type", "status"],
);

const status = part(`${core}.PersistentVolumeClaimStatus`, "What has become of it.", {
  phase: string("Pending, Bound or Lost."),
  accessModes: list(string("A mode."), "How the volume can be mounted."),
  capacity: map(quantity, "How much the volume has."),
  conditions: listBy("type", condition, "Aspects of the state."),
  allocatedResources: map(quantity, "What is set aside."),
  allocatedResourceStatuses: map(string("A state."), "How far resizing is."),
  currentVolumeAttributesClassName: string("Class of attributes that the volume has."),
});

export const persistentVolumeClaimDefinition = kind<PersistentVolumeClaim>({
  resource: persistentVolumeClaims,
  package: core,
  description: "Asks for a volume. In this lab nobody answers: a claim stays Pending unless somebody writes its status.",
  fields: { spec, status },
  required: ["spec"],
  shortNames: ["pvc"],
  subresources: { status: true },
  columns: [
    nameColumn,
    { name: "Status", type: "string", description: "Pending, Bound or Lost.", value: ({ status: now }) => now?.phase ?? "" },
    { name: "Volume", type: "string", description: "The bound volume.", value: ({ spec: { volumeName = "" } }) => volumeName },
    {
      name: "Capacity",
      type: "string",
      description: "How much the volume has.",
      value: ({ spec: { volumeName }, status: now }) => (volumeName ? (now?.capacity?.storage ?? "0") : ""),
    },
    {
      name: "Access Modes",
      type: "string",
      description: "How it can be mounted.",
      value: ({ spec: { volumeName }, status: now }) => (volumeName ? shortModes(now?.accessModes) : ""),
    },
    {
      name: "StorageClass",
      type: "string",
      description: "Class of the volume.",
      value: ({ spec: { storageClassName = "" } }) => storageClassName,
    },
    ageColumn,
    { name: "VolumeMode", type: "string", priority: 1, description: "Filesystem or Block.", value: (claim) => claim.spec.volumeMode ?? "" },
  ],
  defaults: ({ spec: claimed }) => defaultClaimSpec(claimed),
  prepare: {
    create(claim) {
      claim.status = { phase: "Pending" };
    },
  },
  validate: (claim, _context, old) => [
    ...checkClaimSpec("spec", claim.spec),
    ...(old === undefined ? [] : checkKept(claim.spec, old.spec)),
  ],
});

export function defaultClaimSpec(claimed: Draft<VolumeClaimSpec> | undefined): void {
  if (claimed) claimed.volumeMode ||= "Filesystem";
}

export function checkClaimSpec(path: string, claimed: VolumeClaimSpec): readonly FieldError[] {
  return [
    ...checkModes(path, claimed),
    ...checkStorage(`${path}.resources[storage]`, claimed.resources?.requests?.storage),
    ...checkSelector(`${path}.selector`, claimed.selector),
  ];
}

/** A volume is found once, and a bound claim may ask for more. */
function checkKept(after: VolumeClaimSpec, before: VolumeClaimSpec): readonly FieldError[] {
  const kept = ({ resources: _amount, volumeName: _volume, ...rest }: VolumeClaimSpec): object => rest;
  const found = !before.volumeName || after.volumeName === before.volumeName;
  if (found && same(kept(after), kept(before))) return [];
  return [forbiddenField("spec", "spec is immutable after creation except resources.requests for bound claims")];
}
