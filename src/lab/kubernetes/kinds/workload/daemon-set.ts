import { int32, int64, listBy, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { intOrString, labelSelector } from "#lib/apiserver/openapi/meta.ts";
import { notSupported } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import { kind } from "../kind.ts";
import { podTemplate } from "../pod/pod-spec.ts";
import { labelsText } from "../selector-text.ts";
import { wideColumns } from "./columns.ts";
import { workloadCondition } from "./conditions.ts";
import { checkWorkload, defaultTemplate } from "./rules.ts";
import { type DaemonSet, daemonSets } from "./types.ts";

const apps = "io.k8s.api.apps.v1";
const strategies = ["OnDelete", "RollingUpdate"];

const count = (
  name: string,
  description: string,
  value: (status: NonNullable<DaemonSet["status"]>) => number | undefined,
): PrinterColumn<DaemonSet> => ({
  name,
  type: "integer",
  description,
  value: ({ status }) => value(status ?? {}) ?? 0,
});

export const daemonSetDefinition = kind<DaemonSet>({
  resource: daemonSets,
  package: apps,
  description: "Runs one pod on every node.",
  fields: {
    spec: part(
      `${apps}.DaemonSetSpec`,
      "What shall run.",
      {
        selector: use(labelSelector, "Pods that belong to it. Cannot change."),
        template: use(podTemplate, "What each pod is made from."),
        updateStrategy: part(`${apps}.DaemonSetUpdateStrategy`, "How old pods give way to new ones.", {
          type: string("RollingUpdate, or OnDelete: somebody else deletes old pods."),
          rollingUpdate: part(`${apps}.RollingUpdateDaemonSet`, "How many pods at a time.", {
            maxUnavailable: use(intOrString, "Nodes without a pod that serves, as a number or a percentage."),
            maxSurge: use(intOrString, "Not there in this lab: old pods go first."),
          }),
        }),
        minReadySeconds: int32("How long a pod must be ready to count as available."),
        revisionHistoryLimit: int32("How many templates of the past are kept, beside those that pods have.", { default: 10 }),
      },
      ["selector", "template"],
    ),
    status: part(`${apps}.DaemonSetStatus`, "What runs.", {
      desiredNumberScheduled: int32("Nodes that shall have a pod."),
      currentNumberScheduled: int32("Nodes that shall have one and do."),
      updatedNumberScheduled: int32("Nodes with a pod of the present template."),
      numberMisscheduled: int32("Nodes with a pod that should have none."),
      numberReady: int32("Nodes with a pod that is ready."),
      numberAvailable: int32("Nodes with a pod that has been ready for minReadySeconds."),
      numberUnavailable: int32("Nodes where one is missing."),
      observedGeneration: int64("metadata.generation that the controller has seen."),
      collisionCount: int32("Not used in this lab."),
      conditions: listBy("type", workloadCondition("DaemonSet"), "Aspects of the state."),
    }),
  },
  required: ["spec"],
  shortNames: ["ds"],
  categories: ["all"],
  generation: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    count("Desired", "Nodes that shall have a pod.", ({ desiredNumberScheduled }) => desiredNumberScheduled),
    count("Current", "Nodes that have one.", ({ currentNumberScheduled }) => currentNumberScheduled),
    count("Ready", "Nodes with a pod that is ready.", ({ numberReady }) => numberReady),
    count("Up-to-date", "Nodes with a pod of the present template.", ({ updatedNumberScheduled }) => updatedNumberScheduled),
    count("Available", "Nodes with a pod that has been ready for minReadySeconds.", ({ numberAvailable }) => numberAvailable),
    {
      name: "Node Selector",
      type: "string",
      description: "Which nodes.",
      value: ({ spec }) => labelsText(spec.template.spec.nodeSelector),
    },
    ageColumn,
    ...wideColumns,
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.revisionHistoryLimit ??= 10;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate")
      spec.updateStrategy.rollingUpdate = { maxUnavailable: 1, ...spec.updateStrategy.rollingUpdate };
    defaultTemplate(spec.template);
  },
  validate: ({ spec }, _context, old) => {
    const { type } = spec.updateStrategy ?? {};
    return [
      ...checkWorkload(spec, old?.spec),
      ...(strategies.includes(type ?? "") ? [] : [notSupported("spec.updateStrategy.type", type, strategies)]),
    ];
  },
});
