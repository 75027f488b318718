import { int32, int64, list, listBy, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { labelSelector } from "#lib/apiserver/openapi/meta.ts";
import { type FieldError, notSupported } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { Draft } from "#lib/apiserver/resource.ts";
import { kind } from "../kind.ts";
import { podTemplate } from "../pod/pod-spec.ts";
import { checkLabelName, checkUnchanged, checkUnique } from "../rules.ts";
import { checkClaimSpec, defaultClaimSpec, persistentVolumeClaimDefinition } from "../storage/persistent-volume-claim.ts";
import type { PersistentVolumeClaim } from "../storage/types.ts";
import { wideColumns } from "./columns.ts";
import { workloadCondition } from "./conditions.ts";
import { checkWorkload, defaultTemplate, notNegative } from "./rules.ts";
import { type StatefulSet, statefulSets } from "./types.ts";

const apps = "io.k8s.api.apps.v1";
const strategies = ["OnDelete", "RollingUpdate"];
const policies = ["OrderedReady", "Parallel"];

export const statefulSetDefinition = kind<StatefulSet>({
  resource: statefulSets,
  package: apps,
  description: "Keeps pods running that have names of their own, which stay.",
  fields: {
    spec: part(
      `${apps}.StatefulSetSpec`,
      "What shall run.",
      {
        replicas: int32("Number of pods.", { default: 1 }),
        serviceName: string("Headless Service below which each pod has its name in DNS. Cannot change."),
        selector: use(labelSelector, "Pods that belong to it. Cannot change."),
        template: use(podTemplate, "What each pod is made from."),
        podManagementPolicy: string("OrderedReady: one pod after the other; Parallel: all at once. Cannot change."),
        updateStrategy: part(`${apps}.StatefulSetUpdateStrategy`, "How old pods give way to new ones.", {
          type: string("RollingUpdate, or OnDelete: somebody else deletes old pods."),
          rollingUpdate: part(`${apps}.RollingUpdateStatefulSetStrategy`, "Which pods.", {
            partition: int32("Pods with a lower number keep what they have."),
          }),
        }),
        ordinals: part(`${apps}.StatefulSetOrdinals`, "How pods are numbered.", { start: int32("The first number; 0 when absent.") }),
        minReadySeconds: int32("How long a pod must be ready to count as available."),
        revisionHistoryLimit: int32("How many templates of the past are kept, beside those that pods have.", { default: 10 }),
        volumeClaimTemplates: list(
          persistentVolumeClaimDefinition.schema ?? {},
          "Claims of which each pod gets its own, under a name that stays. Cannot change.",
        ),
        persistentVolumeClaimRetentionPolicy: part(
          `${apps}.StatefulSetPersistentVolumeClaimRetentionPolicy`,
          "What becomes of claims: Retain is all there is here.",
          { whenDeleted: string("When the set goes."), whenScaled: string("When it gets smaller.") },
        ),
      },
      ["selector", "template"],
    ),
    status: part(`${apps}.StatefulSetStatus`, "What runs.", {
      replicas: int32("Pods there are."),
      readyReplicas: int32("Pods that are ready."),
      availableReplicas: int32("Pods that have been ready for minReadySeconds."),
      currentReplicas: int32("Pods of currentRevision."),
      updatedReplicas: int32("Pods of updateRevision."),
      currentRevision: string("The template that all pods had when they last agreed."),
      updateRevision: string("The present template."),
      observedGeneration: int64("metadata.generation that the controller has seen."),
      collisionCount: int32("Not used in this lab."),
      conditions: listBy("type", workloadCondition("StatefulSet"), "Aspects of the state."),
    }),
  },
  required: ["spec"],
  shortNames: ["sts"],
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
      description: "Pods that are ready, of those there shall be.",
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    },
    ageColumn,
    ...wideColumns,
  ],
  defaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.podManagementPolicy ||= "OrderedReady";
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate")
      spec.updateStrategy.rollingUpdate = { partition: 0, ...spec.updateStrategy.rollingUpdate };
    spec.persistentVolumeClaimRetentionPolicy = {
      whenDeleted: "Retain",
      whenScaled: "Retain",
      ...spec.persistentVolumeClaimRetentionPolicy,
    };
    for (const template of spec.volumeClaimTemplates ?? []) defaultClaimTemplate(template);
    defaultTemplate(spec.template);
  },
  prepare: {
    create(set) {
      set.status = { replicas: 0 };
    },
  },
  validate: ({ spec }, _context, old) => [...checkWorkload(withClaimVolumes(spec), old?.spec), ...checkOwn(spec, old?.spec)],
});

/** Kubernetes writes them as whole objects, with the status that every new claim has: `kubectl apply` compares with that. */
function defaultClaimTemplate(template: Draft<PersistentVolumeClaim>): void {
  template.apiVersion ??= "v1";
  template.kind ??= "PersistentVolumeClaim";
  defaultClaimSpec(template.spec);
  template.status ??= { phase: "Pending" };
}

type Spec = StatefulSet["spec"];

/** Containers mount claims by the names of their templates, which are the names of volumes that the pods will have. */
function withClaimVolumes(spec: Spec): Spec {
  const { volumes = [] } = spec.template.spec;
  const claims = (spec.volumeClaimTemplates ?? []).flatMap(({ metadata }) => metadata?.name ?? []);
  const added = claims.filter((claim) => !volumes.some(({ name }) => name === claim)).map((name) => ({ name }));
  if (added.length === 0) return spec;
  return { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, volumes: [...volumes, ...added] } } };
}

function checkOwn(spec: Spec, old: Spec | undefined): FieldError[] {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const claims = spec.volumeClaimTemplates ?? [];
  const { whenDeleted, whenScaled } = spec.persistentVolumeClaimRetentionPolicy ?? {};
  return [
    ...(strategies.includes(type ?? "") ? [] : [notSupported("spec.updateStrategy.type", type, strategies)]),
    ...(policies.includes(spec.podManagementPolicy ?? "")
      ? []
      : [notSupported("spec.podManagementPolicy", spec.podManagementPolicy, policies)]),
    ...notNegative("spec.updateStrategy.rollingUpdate.partition", rollingUpdate?.partition),
    ...notNegative("spec.ordinals.start", spec.ordinals?.start),
    ...claims.flatMap(({ metadata, spec: claimed }, index) => {
      const path = `spec.volumeClaimTemplates[${index}]`;
      return [...checkLabelName(`${path}.metadata.name`, metadata?.name), ...checkClaimSpec(`${path}.spec`, claimed ?? {})];
    }),
    ...checkUnique(claims, ({ metadata }, index) => ({ path: `spec.volumeClaimTemplates[${index}].metadata.name`, value: metadata?.name })),
    ...Object.entries({ whenDeleted, whenScaled }).flatMap(([field, value]) =>
      value === "Retain" ? [] : [notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value, ["Retain"])],
    ),
    ...(old === undefined
      ? []
      : [
          ...checkUnchanged("spec.serviceName", spec.serviceName, old.serviceName),
          ...checkUnchanged("spec.podManagementPolicy", spec.podManagementPolicy, old.podManagementPolicy),
          ...checkUnchanged("spec.volumeClaimTemplates", claims, old.volumeClaimTemplates ?? []),
        ]),
  ];
}
