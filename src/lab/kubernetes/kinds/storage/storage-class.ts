import { notSupported, required } from "#lib/apiserver/field-error.ts";
import { boolean, list, map, part, string } from "#lib/apiserver/openapi/build.ts";
import { ageColumn } from "#lib/apiserver/printing/columns.ts";
import { kind } from "../kind.ts";
import { checkUnchanged } from "../rules.ts";
import { type StorageClass, storageClasses } from "./types.ts";

const api = "io.k8s.api.storage.v1";
const policies = ["Delete", "Retain"];
const bindingModes = ["Immediate", "WaitForFirstConsumer"];
const isDefault = "storageclass.kubernetes.io/is-default-class";

const topology = part("io.k8s.api.core.v1.TopologySelectorTerm", "Where volumes may be.", {
  matchLabelExpressions: list(
    part(
      "io.k8s.api.core.v1.TopologySelectorLabelRequirement",
      "Values of a label.",
      { key: string("The label."), values: list(string("A value."), "Its values.") },
      ["key", "values"],
    ),
    "All of them must hold.",
  ),
});

export const storageClassDefinition = kind<StorageClass>({
  resource: storageClasses,
  package: api,
  description: "A kind of volumes. In this lab no provisioner makes any.",
  fields: {
    provisioner: string("Who makes the volumes."),
    parameters: map(string("A value."), "Settings of the provisioner."),
    reclaimPolicy: string("What becomes of volumes when their claims go: Delete or Retain.", { default: "Delete" }),
    mountOptions: list(string("An option."), "Options of the mounts."),
    allowVolumeExpansion: boolean("Claims may grow."),
    volumeBindingMode: string("Immediate, or WaitForFirstConsumer.", { default: "Immediate" }),
    allowedTopologies: list(topology, "Where volumes may be."),
  },
  required: ["provisioner"],
  shortNames: ["sc"],
  columns: [
    {
      name: "Name",
      type: "string",
      format: "name",
      description: "Name of the class; the default one is marked.",
      value: ({ metadata: { name = "", annotations } }) => (annotations?.[isDefault] === "true" ? `${name} (default)` : name),
    },
    { name: "Provisioner", type: "string", description: "Who makes the volumes.", value: ({ provisioner }) => provisioner },
    {
      name: "ReclaimPolicy",
      type: "string",
      description: "What becomes of volumes when their claims go.",
      value: ({ reclaimPolicy = "" }) => reclaimPolicy,
    },
    {
      name: "VolumeBindingMode",
      type: "string",
      description: "When volumes are made.",
      value: ({ volumeBindingMode = "" }) => volumeBindingMode,
    },
    {
      name: "AllowVolumeExpansion",
      type: "string",
      description: "Claims may grow.",
      value: ({ allowVolumeExpansion = false }) => allowVolumeExpansion,
    },
    ageColumn,
  ],
  validate: ({ provisioner, parameters, reclaimPolicy = "", volumeBindingMode = "" }, _context, old) => [
    ...(provisioner === "" ? [required("provisioner")] : []),
    ...(policies.includes(reclaimPolicy) ? [] : [notSupported("reclaimPolicy", reclaimPolicy, policies)]),
    ...(bindingModes.includes(volumeBindingMode) ? [] : [notSupported("volumeBindingMode", volumeBindingMode, bindingModes)]),
    ...(old === undefined
      ? []
      : [
          ...checkUnchanged("provisioner", provisioner, old.provisioner),
          ...checkUnchanged("parameters", parameters ?? null, old.parameters ?? null),
          ...checkUnchanged("reclaimPolicy", reclaimPolicy, old.reclaimPolicy),
          ...checkUnchanged("volumeBindingMode", volumeBindingMode, old.volumeBindingMode),
        ]),
  ],
});
