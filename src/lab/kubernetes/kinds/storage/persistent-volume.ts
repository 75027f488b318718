import { type FieldError, forbiddenField, notSupported, required } from "#lib/apiserver/field-error.ts";
import { list, map, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { quantity, time } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { kind } from "../kind.ts";
import { same } from "../rules.ts";
import { checkModes, checkStorage, reclaimPolicies, shortModes } from "./rules.ts";
import { type PersistentVolume, persistentVolumes } from "./types.ts";

const core = "io.k8s.api.core.v1";

/** Where a volume can be. Kept as they are written: nobody in this lab mounts one. */
const sources = ["csi", "fc", "hostPath", "iscsi", "local", "nfs", "azureFile", "cephfs", "cinder", "flexVolume", "rbd", "vsphereVolume"];

export const persistentVolumeDefinition = kind<PersistentVolume>({
  resource: persistentVolumes,
  package: core,
  description: "A volume that lives longer than pods. In this lab nobody binds or mounts it.",
  fields: {
    spec: part(`${core}.PersistentVolumeSpec`, "What the volume is.", {
      capacity: map(quantity, "How much it has: storage."),
      accessModes: list(string("ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod."), "How it can be mounted."),
      claimRef: part(`${core}.ObjectReference`, "The claim that it is bound to.", {
        apiVersion: string("v1."),
        kind: string("PersistentVolumeClaim."),
        namespace: string("Namespace of the claim."),
        name: string("Name of the claim."),
        uid: string("UID of the claim."),
        resourceVersion: string("Its version."),
        fieldPath: string("Not used."),
      }),
      persistentVolumeReclaimPolicy: string("What becomes of it when its claim goes: Retain, Delete or Recycle."),
      storageClassName: string("Class of the volume."),
      mountOptions: list(string("An option."), "Options of the mount."),
      volumeMode: string("Filesystem or Block."),
      nodeAffinity: opaque("Nodes that can reach it."),
      volumeAttributesClassName: string("Class of changeable attributes."),
      ...Object.fromEntries(sources.map((source) => [source, opaque("Where it is.")])),
    }),
    status: part(`${core}.PersistentVolumeStatus`, "What has become of it.", {
      phase: string("Pending, Available, Bound, Released or Failed."),
      message: string("Text for people."),
      reason: string("One word that says why."),
      lastPhaseTransitionTime: use(time, "When phase last changed."),
    }),
  },
  required: ["spec"],
  shortNames: ["pv"],
  subresources: { status: true },
  columns: [
    nameColumn,
    { name: "Capacity", type: "string", description: "How much it has.", value: ({ spec }) => spec.capacity?.storage ?? "" },
    { name: "Access Modes", type: "string", description: "How it can be mounted.", value: ({ spec }) => shortModes(spec.accessModes) },
    {
      name: "Reclaim Policy",
      type: "string",
      description: "What becomes of it when its claim goes.",
      value: ({ spec }) => spec.persistentVolumeReclaimPolicy ?? "",
    },
    { name: "Status", type: "string", description: "What has become of it.", value: ({ status }) => status?.phase ?? "" },
    {
      name: "Claim",
      type: "string",
      description: "The claim that it is bound to.",
      value: ({ spec: { claimRef } }) => (claimRef === undefined ? "" : `${claimRef.namespace}/${claimRef.name}`),
    },
    { name: "StorageClass", type: "string", description: "Class of the volume.", value: ({ spec }) => spec.storageClassName ?? "" },
    { name: "Reason", type: "string", description: "Why it is so.", value: ({ status }) => status?.reason ?? "" },
    ageColumn,
    { name: "VolumeMode", type: "string", priority: 1, description: "Filesystem or Block.", value: ({ spec }) => spec.volumeMode ?? "" },
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= "Retain";
    spec.volumeMode ||= "Filesystem";
  },
  prepare: {
    create(volume) {
      volume.status = { phase: "Pending" };
    },
  },
  validate: ({ spec }, _context, old) => [
    ...checkModes("spec", spec),
    ...checkStorage("spec.capacity[storage]", spec.capacity?.storage),
    ...(reclaimPolicies.includes(spec.persistentVolumeReclaimPolicy ?? "")
      ? []
      : [notSupported("spec.persistentVolumeReclaimPolicy", spec.persistentVolumeReclaimPolicy, reclaimPolicies)]),
    ...checkSource(spec, old?.spec),
  ],
});

function checkSource(spec: PersistentVolume["spec"], old: PersistentVolume["spec"] | undefined): readonly FieldError[] {
  const given = sources.filter((source) => spec[source] != null);
  const changed = old !== undefined && sources.some((source) => !same(spec[source] ?? null, old[source] ?? null));
  return [
    ...(given.length === 0 ? [required("spec", "must specify a volume type")] : []),
    ...given.slice(1).map((source) => forbiddenField(`spec.${source}`, "may not specify more than 1 volume type")),
    ...(changed ? [forbiddenField("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")] : []),
  ];
}
