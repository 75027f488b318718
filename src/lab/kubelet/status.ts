import { isSidecar, type Plan } from "./plan.ts";
import type { ObservedContainer, ObservedPod } from "./observe.ts";
import type {
  ContainerState,
  ContainerStatusReport,
  KubeletContainer,
  KubeletPod,
  PodCondition,
  PodStatus,
  TerminatedState,
} from "./pod.ts";
import { qosClass } from "./resources.ts";

export interface StatusInput {
  readonly pod: KubeletPod;
  readonly observed: ObservedPod;
  readonly plan: Pick<Plan, "waiting" | "expired">;
  /** Containers that can't be made, by name, with the reason. */
  readonly blocked: ReadonlyMap<string, { readonly reason: string; readonly message: string }>;
  /** What the probes know of a running container. */
  readonly probed: (container: KubeletContainer, containerId: string) => { readonly started: boolean; readonly ready: boolean };
  /** What an ended container left in its termination message file. */
  readonly terminationMessage: (container: ObservedContainer) => string;
  readonly hostIps: readonly string[];
  /** The pod is being deleted and nothing of it runs any more. */
  readonly terminated: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A pod's status as a stock kubelet reports it. Conditions that others own stay as they are. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, observed, hostIps, now } = input;
  const before = pod.status;
  const initStatuses = (pod.spec.initContainers ?? []).map((container) => containerStatus(input, container, "PodInitializing"));
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const hasStarted = ({ name, state, started }: ContainerStatusReport): boolean =>
    sidecars.has(name) ? started : "terminated" in state && state.terminated.exitCode === 0;
  const initialized = initStatuses.every(hasStarted) || mainStarted(input);
  const waitingReason = initialized ? "ContainerCreating" : "PodInitializing";
  const statuses = pod.spec.containers
    .map((container) => containerStatus(input, container, waitingReason))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const expired = input.plan.expired === true && !observed.containers.some(({ state }) => state === "running");
  const phase = expired ? "Failed" : phaseOf(input, initStatuses, statuses, initialized);
  const { reason, message } = expired ? pastDeadline : terminal(phase) ? (before ?? {}) : {};
  const sandbox = observed.sandboxes.find(({ ready }) => ready);
  const ips = pod.spec.hostNetwork === true ? hostIps : (sandbox?.ips ?? []);
  // the addresses of a pod that has ended stay to be read
  const known = ips.length > 0 ? ips : terminal(phase) || input.terminated ? (before?.podIPs ?? []).map(({ ip }) => ip) : [];
  const ordered = orderLike(known, hostIps);
  return {
    phase,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    conditions: conditionsOf({
      ...{ input, phase, initStatuses, initialized },
      statuses: [...initStatuses.filter(({ name }) => sidecars.has(name)), ...statuses],
      hasNetwork: sandbox !== undefined && ips.length > 0,
    }),
    hostIP: hostIps[0] ?? "",
    hostIPs: hostIps.map((ip) => ({ ip })),
    ...(ordered[0] === undefined ? {} : { podIP: ordered[0], podIPs: ordered.map((ip) => ({ ip })) }),
    startTime: before?.startTime ?? rfc3339(now),
    containerStatuses: statuses,
    ...(initStatuses.length === 0 ? {} : { initContainerStatuses: initStatuses }),
    qosClass: before?.qosClass ?? qosClass(pod),
  };
}

const pastDeadline = { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline" };

export const terminal = (phase: string | undefined): boolean => phase === "Succeeded" || phase === "Failed";

const mainStarted = ({ pod, observed }: StatusInput): boolean =>
  pod.spec.containers.some(({ name }) => observed.containers.some((container) => container.name === name));

/** The family of the node's first address comes first. */
function orderLike(ips: readonly string[], hostIps: readonly string[]): readonly string[] {
  const sixFirst = hostIps[0]?.includes(":") ?? false;
  return [...ips].sort((a, b) => Number(a.includes(":") !== sixFirst) - Number(b.includes(":") !== sixFirst));
}

function containerStatus(input: StatusInput, container: KubeletContainer, waitingReason: string): ContainerStatusReport {
  const runs = input.observed.containers.filter(({ name }) => name === container.name);
  const [current, previous] = runs;
  const held = input.blocked.get(container.name) ?? input.plan.waiting.get(container.name);
  const isInit = !input.pod.spec.containers.includes(container) && !isSidecar(container);
  if (current === undefined)
    return {
      name: container.name,
      state: { waiting: held ?? { reason: waitingReason } },
      lastState: {},
      ready: false,
      restartCount: 0,
      image: container.image ?? "",
      imageID: "",
      started: false,
    };
  const state: ContainerState = held === undefined ? stateOf(input, current, waitingReason) : { waiting: held };
  const last = held === undefined ? previous : current;
  const running = current.state === "running" && held === undefined;
  const probed = running ? input.probed(container, current.id) : { started: false, ready: false };
  return {
    name: container.name,
    state,
    lastState: last?.state === "exited" ? { terminated: terminatedState(input, last) } : {},
    ready: isInit ? current.state === "exited" && current.exitCode === 0 : probed.ready,
    restartCount: current.attempt,
    image: container.image ?? "",
    imageID: current.imageRef,
    containerID: containerUri(current),
    started: probed.started,
  };
}

function stateOf(input: StatusInput, container: ObservedContainer, waitingReason: string): ContainerState {
  switch (container.state) {
    case "running":
      return { running: { startedAt: rfc3339Nanos(container.startedAt) } };
    case "created":
      return { waiting: { reason: waitingReason } };
    default:
      return { terminated: terminatedState(input, container) };
  }
}

function terminatedState(input: StatusInput, container: ObservedContainer): TerminatedState {
  const message = input.terminationMessage(container) || container.message;
  const reason = container.reason || (container.exitCode === 0 ? "Completed" : "Error");
  return {
    exitCode: container.exitCode,
    reason: container.state === "unknown" ? "ContainerStatusUnknown" : reason,
    ...(message === "" ? {} : { message }),
    ...(container.startedAt === 0n ? {} : { startedAt: rfc3339Nanos(container.startedAt) }),
    ...(container.finishedAt === 0n ? {} : { finishedAt: rfc3339Nanos(container.finishedAt) }),
    containerID: containerUri(container),
  };
}

const containerUri = ({ id }: ObservedContainer): string => `containerd://${id}`;

function phaseOf(
  { pod, terminated }: StatusInput,
  initStatuses: readonly ContainerStatusReport[],
  statuses: readonly ContainerStatusReport[],
  initialized: boolean,
): string {
  const policy = pod.spec.restartPolicy ?? "Always";
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const sidecarRuns = initStatuses.some(({ name, state }) => sidecars.has(name) && "running" in state);
  // a pod that has ended stays ended
  if (terminal(pod.status?.phase)) return pod.status?.phase ?? "Failed";
  const failedInit = initStatuses.some(
    ({ name, state }) => !sidecars.has(name) && "terminated" in state && state.terminated.exitCode !== 0,
  );
  if (failedInit && (policy === "Never" || terminated)) return "Failed";
  const running = statuses.filter(({ state }) => "running" in state).length;
  const ended = statuses.filter((status) => endOf(status) !== undefined && !("running" in status.state));
  if (!terminated && !initialized) return "Pending";
  if (!terminated && running + ended.length < statuses.length) return "Pending";
  // a sidecar ends after the others, and with it the pod
  if (running > 0 || (sidecarRuns && !terminated)) return "Running";
  if (!terminated && policy === "Always") return "Running";
  const succeeded = ended.length === statuses.length && ended.every((status) => endOf(status)?.exitCode === 0);
  if (succeeded) return "Succeeded";
  return terminated || policy === "Never" ? "Failed" : "Running";
}

/** How the container's newest run ended, be it that it waits for the next. */
function endOf({ state, lastState }: ContainerStatusReport): TerminatedState | undefined {
  if ("terminated" in state) return state.terminated;
  return "terminated" in lastState ? lastState.terminated : undefined;
}

interface ConditionInput {
  readonly input: StatusInput;
  readonly phase: string;
  readonly statuses: readonly ContainerStatusReport[];
  readonly initStatuses: readonly ContainerStatusReport[];
  readonly initialized: boolean;
  readonly hasNetwork: boolean;
}

function conditionsOf({ input, phase, statuses, initStatuses, initialized, hasNetwork }: ConditionInput): PodCondition[] {
  const { pod, now } = input;
  const before: readonly PodCondition[] = pod.status?.conditions ?? [];
  const unready = statuses.filter(({ ready }) => !ready).map(({ name }) => name);
  const uninitialized = initStatuses.filter(({ ready }) => !ready).map(({ name }) => name);
  const over = phase === "Succeeded" ? "PodCompleted" : phase === "Failed" ? "PodFailed" : undefined;
  const containersReady: Verdict =
    over !== undefined
      ? { status: "False", reason: over }
      : unready.length === 0
        ? { status: "True" }
        : { status: "False", reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
  const gates = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const closed = gates.filter((gate) => before.find(({ type }) => type === gate)?.status !== "True");
  const verdicts: Readonly<Record<string, Verdict>> = {
    PodReadyToStartContainers: { status: hasNetwork ? "True" : "False" },
    Initialized: initialized
      ? { status: "True", ...(phase === "Succeeded" ? { reason: "PodCompleted" } : {}) }
      : {
          status: "False",
          reason: "ContainersNotInitialized",
          message: `containers with incomplete status: [${uninitialized.join(" ")}]`,
        },
    Ready:
      containersReady.status === "True" && closed.length > 0
        ? {
            status: "False",
            reason: "ReadinessGatesNotReady",
            message: closed.map((gate) => `the status of pod readiness gate ${JSON.stringify(gate)} is not "True"`).join(", "),
          }
        : containersReady,
    ContainersReady: containersReady,
    PodScheduled: { status: "True" },
  };
  const own = Object.entries(verdicts).map(([type, verdict]) => {
    const previous = before.find((condition) => condition.type === type);
    const lastTransitionTime =
      previous?.status === verdict.status && previous.lastTransitionTime !== undefined ? previous.lastTransitionTime : rfc3339(now);
    return { type, ...verdict, lastTransitionTime };
  });
  return [...own, ...before.filter(({ type }) => !Object.hasOwn(verdicts, type))];
}

interface Verdict {
  readonly status: "True" | "False";
  readonly reason?: string;
  readonly message?: string;
}

/** Kubernetes' times have seconds. */
export function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}

function rfc3339Nanos(nanoseconds: bigint): string {
  return rfc3339(Number(nanoseconds / 1_000_000n));
}
