import { boolean, int32, int64, listBy, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { intOrString, labelSelector } from "#lib/apiserver/openapi/meta.ts";
import { type FieldError, forbiddenField, invalid, notSupported } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { Draft, PrinterColumn } from "#lib/apiserver/resource.ts";
import { kind } from "../kind.ts";
import { podTemplate } from "../pod/pod-spec.ts";
import { wideColumns } from "./columns.ts";
import { workloadCondition } from "./conditions.ts";
import { checkWorkload, defaultTemplate, notNegative } from "./rules.ts";
import { type Deployment, deployments } from "./types.ts";

const apps = "io.k8s.api.apps.v1";

const strategy = part(`${apps}.DeploymentStrategy`, "How old pods give way to new ones.", {
  type: string("RollingUpdate, or Recreate: all old pods go first."),
  rollingUpdate: part(`${apps}.RollingUpdateDeployment`, "How many pods at a time.", {
    maxSurge: use(intOrString, "Pods above the wanted number, as a number or a percentage."),
    maxUnavailable: use(intOrString, "Pods below the wanted number, as a number or a percentage."),
  }),
});

const count = (name: string, description: string, value: (deployment: Deployment) => number): PrinterColumn<Deployment> => ({
  name,
  type: "string",
  description,
  value,
});

export const deploymentDefinition = kind<Deployment>({
  resource: deployments,
  package: apps,
  description: "Runs equal pods and replaces them step by step when their template changes.",
  fields: {
    spec: part(
      `${apps}.DeploymentSpec`,
      "What shall run.",
      {
        replicas: int32("Number of pods.", { default: 1 }),
        selector: use(labelSelector, "Pods that belong to it. Cannot change."),
        template: use(podTemplate, "What each pod is made from."),
        strategy: { ...use(strategy, "How old pods give way to new ones."), "x-kubernetes-patch-strategy": "retainKeys" },
        minReadySeconds: int32("How long a pod must be ready to count as available."),
        revisionHistoryLimit: int32("Old ReplicaSets to keep for a rollback.", { default: 10 }),
        paused: boolean("Changes of the template wait."),
        progressDeadlineSeconds: int32("Time without progress after which the rollout counts as failed.", { default: 600 }),
      },
      ["selector", "template"],
    ),
    status: part(`${apps}.DeploymentStatus`, "What runs.", {
      observedGeneration: int64("metadata.generation that the controller has seen."),
      replicas: int32("Pods there are."),
      updatedReplicas: int32("Pods of the present template."),
      readyReplicas: int32("Pods that are ready."),
      availableReplicas: int32("Pods that have been ready for minReadySeconds."),
      unavailableReplicas: int32("Pods that are still missing."),
      terminatingReplicas: int32("Pods that are being deleted."),
      collisionCount: int32("Name collisions of ReplicaSets."),
      conditions: listBy("type", workloadCondition("Deployment"), "Available, Progressing, ReplicaFailure."),
    }),
  },
  required: ["spec"],
  shortNames: ["deploy"],
  categories: ["all"],
  generation: true,
  subresources: {
    status: true,
    scale: { specReplicas: ["spec", "replicas"], statusReplicas: ["status", "replicas"], selector: ["spec", "selector"] },
  },
  columns: [
    nameColumn,
    {
      name: "Ready",
      type: "string",
      description: "Pods that are ready, of those wanted.",
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    },
    count("Up-to-date", "Pods of the present template.", ({ status }) => status?.updatedReplicas ?? 0),
    count("Available", "Pods that have been ready for minReadySeconds.", ({ status }) => status?.availableReplicas ?? 0),
    ageColumn,
    ...wideColumns,
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    defaultStrategy(spec);
    defaultTemplate(spec.template);
  },
  prepare: {
    create(deployment) {
      deployment.status = {};
    },
  },
  validate: ({ spec }, _context, old) => [
    ...checkWorkload(spec, old?.spec),
    ...checkStrategy(spec),
    ...notNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit),
    ...((spec.progressDeadlineSeconds ?? 600) <= (spec.minReadySeconds ?? 0)
      ? [invalid("spec.progressDeadlineSeconds", spec.progressDeadlineSeconds, "must be greater than minReadySeconds")]
      : []),
  ],
});

function defaultStrategy(spec: Draft<Deployment["spec"]>): void {
  spec.strategy ??= {};
  spec.strategy.type ||= "RollingUpdate";
  if (spec.strategy.type === "RollingUpdate")
    spec.strategy.rollingUpdate = { maxSurge: "25%", maxUnavailable: "25%", ...spec.strategy.rollingUpdate };
}

function checkStrategy({ strategy: { type = "", rollingUpdate } = {} }: Deployment["spec"]): FieldError[] {
  if (type === "Recreate") {
    const at = "spec.strategy.rollingUpdate";
    return rollingUpdate === undefined ? [] : [forbiddenField(at, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (type !== "RollingUpdate") return [notSupported("spec.strategy.type", type, ["Recreate", "RollingUpdate"])];
  const { maxSurge = 0, maxUnavailable = 0 } = rollingUpdate ?? {};
  const zero = (value: number | string): boolean => value === 0 || value === "0%";
  return [
    ...checkAmount("spec.strategy.rollingUpdate.maxUnavailable", maxUnavailable),
    ...checkAmount("spec.strategy.rollingUpdate.maxSurge", maxSurge),
    ...(zero(maxSurge) && zero(maxUnavailable)
      ? [invalid("spec.strategy.rollingUpdate.maxUnavailable", maxUnavailable, "may not be 0 when `maxSurge` is 0")]
      : []),
  ];
}

function checkAmount(path: string, value: number | string): FieldError[] {
  if (typeof value === "number") return notNegative(path, value);
  return /^\d{1,9}%$/.test(value) ? [] : [invalid(path, value, "must be an integer or percentage (e.g '5%')")];
}
