import { use } from "#lib/apiserver/openapi/build.ts";
import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import { pods } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import { kind } from "../kind.ts";
import { admitPod } from "./admission.ts";
import { binding, markScheduled } from "./binding.ts";
import { podColumns } from "./columns.ts";
import { defaultPod } from "./defaults.ts";
import { eviction } from "./eviction.ts";
import { podSpec } from "./pod-spec.ts";
import { podStatus } from "./pod-status.ts";
import { checkPodSpec, checkPodUpdate } from "./rules.ts";
import type { FullPod } from "./types.ts";

/** Fields of a pod that `fieldSelector=` knows: kubelets, `describe node` and `drain` ask by node. */
const selectableFields = {
  "spec.nodeName": ({ spec }: FullPod) => spec.nodeName ?? "",
  "spec.restartPolicy": ({ spec }: FullPod) => spec.restartPolicy ?? "",
  "spec.schedulerName": () => "default-scheduler",
  "spec.serviceAccountName": ({ spec }: FullPod) => spec.serviceAccountName ?? "",
  "spec.hostNetwork": ({ spec }: FullPod) => String(spec.hostNetwork === true),
  "status.phase": ({ status }: FullPod) => status?.phase ?? "",
  "status.podIP": ({ status }: FullPod) => status?.podIP ?? "",
  "status.nominatedNodeName": ({ status }: FullPod) => status?.nominatedNodeName ?? "",
};

export const podDefinition: ResourceDefinition = kind<FullPod>({
  resource: pods as Resource<FullPod>,
  package: "io.k8s.api.core.v1",
  description: "Containers that run together on one node and share a network address.",
  fields: { spec: use(podSpec, "What the pod shall be."), status: use(podStatus, "What the pod is. Set by the kubelet.") },
  required: ["spec"],
  shortNames: ["po"],
  categories: ["all"],
  subresources: { status: true, custom: { binding, eviction } },
  generation: true,
  columns: podColumns,
  selectableFields,
  defaults: ({ spec }) => {
    if (spec) defaultPod(spec);
  },
  prepare: {
    create: admitPod,
    update(pod, old, context) {
      if (context.subresource === "binding" && pod.spec.nodeName !== old.spec.nodeName) markScheduled(pod, context);
    },
  },
  validate: (pod, { subresource }, old) => (old ? checkPodUpdate(pod, old, subresource) : checkPodSpec("spec", pod.spec)),
  deletionGraceSeconds: ({ spec, status }, requested) =>
    spec.nodeName === undefined || status?.phase === "Succeeded" || status?.phase === "Failed"
      ? 0
      : (requested ?? spec.terminationGracePeriodSeconds ?? 30),
});
