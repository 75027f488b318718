import { formatDuration, seconds } from "#lib/runtime/duration.ts";
import { containerHash } from "./container-config.ts";
import type { CrashBackoff } from "./crash-backoff.ts";
import type { ObservedContainer, ObservedPod, ObservedSandbox } from "./observe.ts";
import { identityOf, type KubeletContainer, type KubeletPod } from "./pod.ts";

export interface ContainerStart {
  readonly container: KubeletContainer;
  readonly attempt: number;
  /** The run that ended before, whose end counts for the back-off. */
  readonly after?: ObservedContainer;
}

export interface ContainerKill {
  readonly container: ObservedContainer;
  /** What the `Killing` event says. */
  readonly because: string;
}

/** What to do now to bring a pod nearer to what its spec says. Everything listed may be done at once, except that a sandbox comes first. */
export interface Plan {
  /** Make a sandbox of this attempt, then plan again. */
  readonly createSandbox?: { readonly attempt: number };
  readonly stopSandboxes: readonly ObservedSandbox[];
  readonly start: readonly ContainerStart[];
  readonly kill: readonly ContainerKill[];
  /** Ids of ended containers that are not needed as anyone's last state. */
  readonly remove: readonly string[];
  readonly removeSandboxes: readonly string[];
  /** Containers that wait in back-off, by name. */
  readonly waiting: ReadonlyMap<string, { readonly reason: string; readonly message: string }>;
  /** Milliseconds since the epoch: nothing changes before by time alone. */
  readonly recheckAt?: number;
  /** Every container has ended and none is started again. */
  readonly finished: boolean;
  /** Its time (`activeDeadlineSeconds`) is over: what still runs is ended. */
  readonly expired?: boolean;
}

export interface PlanInput {
  readonly pod: KubeletPod;
  readonly observed: ObservedPod;
  /** Why a running container must be restarted (a failed liveness or startup probe), or undefined. */
  readonly unhealthy: (containerId: string) => string | undefined;
  /** Whether the running container's startup probe has succeeded, or there is none. */
  readonly started: (container: KubeletContainer, containerId: string) => boolean;
  readonly backoff: CrashBackoff;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function planPod(input: PlanInput): Plan {
  const { pod, observed, now } = input;
  const [sandbox, ...surplus] = observed.sandboxes.filter(({ ready }) => ready);
  const over = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  const deadline = deadlineOf(pod);
  const expired = !over && deadline !== undefined && now >= deadline;
  const finished = over || expired || isFinished(pod, observed);
  const garbage = garbageOf(observed, sandbox);
  const ends = deadline === undefined || finished ? {} : { recheckAt: deadline };
  const nothing: Plan = { stopSandboxes: surplus, start: [], kill: [], waiting: new Map(), finished, expired, ...ends, ...garbage };
  const running = observed.containers.filter(({ state }) => state === "running");
  const killAll = running.map((container) => ({ container, because: `Stopping container ${container.name}` }));
  if (finished)
    return { ...nothing, kill: killAll, stopSandboxes: running.length > 0 ? [] : observed.sandboxes.filter(({ ready }) => ready) };
  if (sandbox === undefined) {
    const attempts = observed.sandboxes.map(({ attempt }) => attempt);
    return {
      ...nothing,
      kill: killAll,
      createSandbox: { attempt: attempts.length === 0 ? 0 : Math.max(...attempts) + 1 },
    };
  }
  return planContainers(input, sandbox, nothing);
}

/** When the pod's time is over, in milliseconds since the epoch; undefined for one that may go on. */
function deadlineOf({ spec, status }: KubeletPod): number | undefined {
  const { activeDeadlineSeconds } = spec;
  if (activeDeadlineSeconds === undefined || status?.startTime === undefined) return undefined;
  return Date.parse(status.startTime) + seconds(activeDeadlineSeconds);
}

/** True when every container of the pod has run to its end and its restart policy lets it rest there. */
export function isFinished(pod: KubeletPod, observed: ObservedPod): boolean {
  const newestOf = (name: string) => observed.containers.find((container) => container.name === name);
  const failedInit = (pod.spec.initContainers ?? []).some((container) => {
    if (isSidecar(container)) return false;
    const last = newestOf(container.name);
    return pod.spec.restartPolicy === "Never" && last?.state === "exited" && last.exitCode !== 0;
  });
  const started = observed.containers.some(({ state }) => state === "running");
  if (failedInit) return !started;
  return pod.spec.containers.every((container) => {
    const last = newestOf(container.name);
    return last !== undefined && last.state === "exited" && !mayRestart(pod, last);
  });
}

/** An init container that goes on beside the others once it has started (core/v1 Container.restartPolicy). */
export const isSidecar = ({ restartPolicy }: KubeletContainer): boolean => restartPolicy === "Always";

function mayRestart(pod: KubeletPod, last: ObservedContainer): boolean {
  if (last.state !== "exited") return true;
  const policy = pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && last.exitCode !== 0);
}

function planContainers(input: PlanInput, sandbox: ObservedSandbox, nothing: Plan): Plan {
  const { pod, observed } = input;
  const inSandbox = (name: string) => observed.containers.find((found) => found.name === name && found.sandboxId === sandbox.id);
  const startedMain = pod.spec.containers.some(({ name }) => inSandbox(name) !== undefined);
  const inits = pod.spec.initContainers ?? [];
  const isDone = (container: KubeletContainer): boolean => {
    const found = inSandbox(container.name);
    return isSidecar(container) ? found?.state === "running" && input.started(container, found.id) : completed(found);
  };
  const pending = startedMain ? -1 : inits.findIndex((container) => !isDone(container));
  // Sidecars that have their turn behind them are looked after all the time.
  const wanted =
    pending < 0
      ? [...inits.filter(isSidecar), ...pod.spec.containers]
      : inits.filter((container, index) => index === pending || (index < pending && isSidecar(container)));
  const decisions = wanted.map((container) => decide(input, sandbox, container));
  const recheck = [nothing, ...decisions].flatMap(({ recheckAt }) => recheckAt ?? []);
  return {
    ...nothing,
    start: decisions.flatMap(({ start }) => start ?? []),
    kill: decisions.flatMap(({ kill }) => kill ?? []),
    remove: [...nothing.remove, ...decisions.flatMap(({ remove }) => remove ?? [])],
    waiting: new Map(decisions.flatMap(({ waiting }) => (waiting === undefined ? [] : [waiting]))),
    ...(recheck.length === 0 ? {} : { recheckAt: Math.min(...recheck) }),
  };
}

const completed = (container: ObservedContainer | undefined): boolean => container?.state === "exited" && container.exitCode === 0;

interface Decision {
  readonly start?: ContainerStart;
  readonly kill?: ContainerKill;
  readonly remove?: string;
  readonly waiting?: readonly [string, { readonly reason: string; readonly message: string }];
  readonly recheckAt?: number;
}

function decide({ pod, observed, unhealthy, backoff, now }: PlanInput, sandbox: ObservedSandbox, container: KubeletContainer): Decision {
  const last = observed.containers.find(({ name }) => name === container.name);
  if (last === undefined) return { start: { container, attempt: 0 } };
  if (last.state === "running" && last.sandboxId === sandbox.id) {
    const reason = unhealthy(last.id);
    if (reason !== undefined) return { kill: { container: last, because: reason } };
    if (last.hash !== containerHash(container))
      return { kill: { container: last, because: `Container ${container.name} definition changed, will be restarted` } };
    return {};
  }
  // made but never started, or its state was lost: its name is taken until it is removed
  if (last.state === "created" || last.state === "unknown")
    return { remove: last.id, start: { container, attempt: last.attempt + (last.state === "unknown" ? 1 : 0) } };
  const isInit = (pod.spec.initContainers ?? []).includes(container);
  const again = isSidecar(container) || mayRestart(pod, last) || (isInit && last.sandboxId !== sandbox.id);
  if (!again) return {};
  const start = { container, attempt: last.attempt + 1, after: last };
  const wait = backoff.waitUntil(backoffKey(pod, container.name), endedAt(last), now);
  if (wait === undefined) return { start };
  const { namespace, name, uid } = identityOf(pod);
  const message = `back-off ${formatDuration(wait.wait)} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`;
  return { waiting: [container.name, { reason: "CrashLoopBackOff", message }], recheckAt: wait.time };
}

export const backoffKey = (pod: KubeletPod, container: string): string => `${pod.metadata.uid}/${container}`;

const nanosecondsPerMs = 1_000_000n;

/** When it ended, in milliseconds since the epoch. */
export const endedAt = (container: ObservedContainer): number => Number(container.finishedAt / nanosecondsPerMs);

/** Of each container the two newest runs stay: the current one and the one before, for its last state and its log. */
function garbageOf(
  { sandboxes, containers }: ObservedPod,
  current: ObservedSandbox | undefined,
): { readonly remove: string[]; readonly removeSandboxes: string[] } {
  const seen = new Map<string, number>();
  const remove = containers.filter(({ name, state }) => {
    const newer = seen.get(name) ?? 0;
    seen.set(name, newer + 1);
    return newer >= 2 && state !== "running";
  });
  const kept = new Set(containers.filter((container) => !remove.includes(container)).map(({ sandboxId }) => sandboxId));
  return {
    remove: remove.map(({ id }) => id),
    removeSandboxes: current === undefined ? [] : sandboxes.filter(({ id, ready }) => !ready && !kept.has(id)).map(({ id }) => id),
  };
}
