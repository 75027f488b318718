import { int32, int64, listBy, part, use } from "#lib/apiserver/openapi/build.ts";
import { labelSelector } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import { kind } from "../kind.ts";
import { podTemplate } from "../pod/pod-spec.ts";
import { wideColumns } from "./columns.ts";
import { workloadCondition } from "./conditions.ts";
import { checkWorkload, defaultTemplate } from "./rules.ts";
import { type ReplicaSet, replicaSets } from "./types.ts";

const apps = "io.k8s.api.apps.v1";

const count = (name: string, description: string, value: (set: ReplicaSet) => number): PrinterColumn<ReplicaSet> => ({
  name,
  type: "integer",
  description,
  value,
});

export const replicaSetDefinition = kind<ReplicaSet>({
  resource: replicaSets,
  package: apps,
  description: "Keeps a number of equal pods running.",
  fields: {
    spec: part(
      `${apps}.ReplicaSetSpec`,
      "What shall run.",
      {
        replicas: int32("Number of pods.", { default: 1 }),
        minReadySeconds: int32("How long a pod must be ready to count as available."),
        selector: use(labelSelector, "Pods that belong to it. Cannot change."),
        template: use(podTemplate, "What each pod is made from."),
      },
      ["selector", "template"],
    ),
    status: part(`${apps}.ReplicaSetStatus`, "What runs.", {
      replicas: int32("Pods there are."),
      fullyLabeledReplicas: int32("Pods with all labels of the template."),
      readyReplicas: int32("Pods that are ready."),
      availableReplicas: int32("Pods that have been ready for minReadySeconds."),
      terminatingReplicas: int32("Pods that are being deleted."),
      observedGeneration: int64("metadata.generation that the controller has seen."),
      conditions: listBy("type", workloadCondition("ReplicaSet"), "Aspects of the state."),
    }),
  },
  required: ["spec"],
  shortNames: ["rs"],
  categories: ["all"],
  generation: true,
  subresources: {
    status: true,
    scale: { specReplicas: ["spec", "replicas"], statusReplicas: ["status", "replicas"], selector: ["spec", "selector"] },
  },
  columns: [
    nameColumn,
    count("Desired", "Pods there shall be.", ({ spec }) => spec.replicas ?? 0),
    count("Current", "Pods there are.", ({ status }) => status?.replicas ?? 0),
    count("Ready", "Pods that are ready.", ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...wideColumns,
  ],
  selectableFields: { "status.replicas": ({ status }) => String(status?.replicas ?? 0) },
  defaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    defaultTemplate(spec.template);
  },
  prepare: {
    create(set) {
      set.status = { replicas: 0 };
    },
  },
  validate: ({ spec }, _context, old) => checkWorkload(spec, old?.spec),
});
