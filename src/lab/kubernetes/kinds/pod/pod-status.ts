import { boolean, int32, int64, list, listBy, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { time } from "#lib/apiserver/openapi/meta.ts";

const core = "io.k8s.api.core.v1";

const condition = part(
  `${core}.PodCondition`,
  "One aspect of the pod's state.",
  {
    type: string("PodScheduled, Initialized, ContainersReady, Ready, …"),
    status: string("True, False or Unknown."),
    observedGeneration: int64("metadata.generation that the condition is about."),
    lastProbeTime: { ...use(time, "When it was last checked."), nullable: true },
    lastTransitionTime: use(time, "When status last changed."),
    reason: string("One word that says why."),
    message: string("Text for people."),
  },
  ["type", "status"],
);

const containerState = part(`${core}.ContainerState`, "One of waiting, running, terminated.", {
  waiting: part(`${core}.ContainerStateWaiting`, "Not started yet.", { reason: string("Why."), message: string("Text for people.") }),
  running: part(`${core}.ContainerStateRunning`, "Runs.", { startedAt: use(time, "Since when.") }),
  terminated: part(
    `${core}.ContainerStateTerminated`,
    "Has ended.",
    {
      exitCode: int32("Exit status of the first process."),
      signal: int32("Signal that ended it."),
      reason: string("Why: Completed, Error, OOMKilled, …"),
      message: string("Text for people."),
      startedAt: use(time, "When it started."),
      finishedAt: use(time, "When it ended."),
      containerID: string("Identity in the runtime."),
    },
    ["exitCode"],
  ),
});

const containerStatus = part(
  `${core}.ContainerStatus`,
  "State of one container.",
  {
    name: string("Name of the container."),
    state: use(containerState, "Present state.", { default: {} }),
    lastState: use(containerState, "How the previous run ended.", { default: {} }),
    ready: boolean("Passes its readiness check."),
    started: boolean("Has passed its startup check."),
    restartCount: int32("How often it was restarted."),
    image: string("Image it runs."),
    imageID: string("Digest of the image."),
    containerID: string("Identity in the runtime."),
    allocatedResources: opaque("Resources given."),
    resources: opaque("Resources in force."),
    volumeMounts: list(opaque("A mount."), "State of mounts."),
    user: opaque("User of the first process."),
    allocatedResourcesStatus: list(opaque("A device."), "Health of devices."),
    stopSignal: string("Signal that asks it to stop."),
  },
  ["name", "ready", "restartCount", "image", "imageID"],
);

const podIP = part(`${core}.PodIP`, "An address of the pod.", { ip: string("IPv4 or IPv6.") }, ["ip"]);
const hostIP = part(`${core}.HostIP`, "An address of the node.", { ip: string("IPv4 or IPv6.") }, ["ip"]);

export const podStatus = part(`${core}.PodStatus`, "What the pod is.", {
  observedGeneration: int64("metadata.generation that the kubelet has seen."),
  phase: string("Pending, Running, Succeeded, Failed or Unknown."),
  conditions: listBy("type", condition, "Aspects of the state."),
  message: string("Text for people."),
  reason: string("One word that says why."),
  nominatedNodeName: string("Not used in this lab."),
  hostIP: string("Address of the node."),
  hostIPs: { ...list(hostIP, "Addresses of the node."), "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "ip" },
  podIP: string("First address of the pod."),
  podIPs: listBy("ip", podIP, "Addresses of the pod, one per family."),
  startTime: use(time, "When the kubelet saw the pod."),
  initContainerStatuses: list(containerStatus, "States of init containers."),
  containerStatuses: list(containerStatus, "States of containers."),
  ephemeralContainerStatuses: list(containerStatus, "Not there in this lab."),
  qosClass: string("Guaranteed, Burstable or BestEffort."),
  resize: string("Not there in this lab."),
  resourceClaimStatuses: list(opaque("A claim."), "Not there in this lab."),
});
