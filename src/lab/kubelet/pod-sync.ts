import { readdir, rm } from "node:fs/promises";
import { removeCgroup } from "#lab/node/containerd-cleanup.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { minutes, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { type CrashBackoff, createCrashBackoff } from "./crash-backoff.ts";
import { ContainerBlocked, PodBlocked } from "./errors.ts";
import { podTarget } from "./events.ts";
import { type ObservedContainer, type ObservedPod, observePod } from "./observe.ts";
import { podFolder } from "./paths.ts";
import { backoffKey, endedAt, type Plan, planPod } from "./plan.ts";
import type { KubeletContainer, KubeletPod } from "./pod.ts";
import {
  type ActionContext,
  createSandbox,
  logFolderOf,
  podIpsOf,
  refreshVolumes,
  startContainer,
  terminationMessage,
} from "./pod-actions.ts";
import type { ProbedContainer, Probes } from "./probes.ts";
import { podCgroup } from "./sandbox-config.ts";
import { podStatus, terminal } from "./status.ts";
import { type PodRecords, writeStatus } from "./status-writer.ts";
import type { Stopper } from "./stopper.ts";
import { unsupportedFields } from "./unsupported.ts";

/** How soon something missing (an image, a ConfigMap) is looked for again. */
const blockedRetry = seconds(3);
/** How soon a change of a ConfigMap or Secret shows in a mounted volume, at the latest. */
const volumeRefresh = minutes(1);
/** The grace of a pod that nobody asks for any more. */
const orphanGraceSeconds = 1;
/** A pass may make a sandbox, the next start containers, the third finds nothing to do. More only if the runtime changes meanwhile. */
const maxPasses = 5;

export interface PodSyncOptions extends ActionContext {
  readonly runtime: Runtime;
  readonly records: PodRecords;
  readonly probes: Probes;
  readonly stopper: Stopper;
  readonly forgetTokens: (uid: string) => void;
  /** Asks to be called again for this pod at `time` (milliseconds since the epoch) at the latest. */
  readonly schedule: (uid: string, time: number) => void;
}

/** Brings one pod to what the API says of it now. Throws when it has to be tried again. */
export function createPodSync(options: PodSyncOptions): (uid: string) => Promise<void> {
  const backoff = createCrashBackoff();
  const blocked = new Map<string, ReadonlyMap<string, { reason: string; message: string }>>();
  const announced = new Set<string>();
  const refreshed = new Map<string, number>();
  return async (uid) => {
    const pod = options.records.get(uid);
    if (pod === undefined) {
      await removePod(options, uid);
      backoff.forget(`${uid}/`);
      blocked.delete(uid);
      announced.delete(uid);
      refreshed.delete(uid);
      return;
    }
    if (pod.metadata.deletionTimestamp !== undefined) return terminate(options, pod);
    if (!announced.has(uid)) {
      announced.add(uid);
      for (const field of unsupportedFields(pod)) options.events.warning(podTarget(pod), "NotThereYet", field);
    }
    blocked.set(uid, await run(options, pod, backoff));
    await refreshSometimes(options, pod, refreshed);
  };
}

/** Brings volumes that the API can change up to date once in {@link volumeRefresh}; containers see the files change. */
async function refreshSometimes(options: PodSyncOptions, pod: KubeletPod, refreshed: Map<string, number>): Promise<void> {
  const { runtime, cri, config, schedule } = options;
  const uid = pod.metadata.uid ?? "";
  const changing = (pod.spec.volumes ?? []).some(({ emptyDir, hostPath }) => emptyDir === undefined && hostPath === undefined);
  if (!changing || terminal(pod.status?.phase)) return;
  const now = runtime.clock.wall();
  const last = refreshed.get(uid);
  if (last === undefined || now - last >= volumeRefresh) {
    refreshed.set(uid, now);
    const observed = last === undefined ? undefined : await observePod(cri, uid);
    const sandbox = observed?.sandboxes.find(({ ready }) => ready);
    if (sandbox !== undefined) await refreshVolumes(options, pod, podIpsOf(config, pod, sandbox));
  }
  schedule(uid, (refreshed.get(uid) ?? now) + volumeRefresh);
}

type Blocked = Map<string, { reason: string; message: string }>;

async function run(options: PodSyncOptions, pod: KubeletPod, backoff: CrashBackoff): Promise<Blocked> {
  const { cri, runtime, events } = options;
  const uid = pod.metadata.uid ?? "";
  const blocked: Blocked = new Map();
  let failure: unknown;
  for (let pass = 0; pass < maxPasses; pass++) {
    const observed = await observePod(cri, uid);
    watchProbes(options, pod, observed);
    const unhealthy = (id: string) => unhealthyReason(options.probes, pod, observed, id);
    const plan = planPod({ pod, observed, unhealthy, backoff, now: runtime.clock.wall() });
    // a new pod is reported as being made while it is: what fails here is written by the report at the end
    const isNew = plan.createSandbox !== undefined && observed.sandboxes.length === 0;
    const early = isNew ? report(options, pod, observed, plan, blocked).catch(() => undefined) : undefined;
    try {
      const acted = await act(options, pod, observed, plan, backoff, blocked);
      await early;
      if (acted) continue;
    } catch (error) {
      await early;
      if (error instanceof PodBlocked) events.warning(podTarget(pod), error.reason, error.message);
      failure = error;
    }
    const latest = failure === undefined ? observed : await observePod(cri, uid);
    await report(options, pod, latest, plan, blocked);
    scheduleNext(options, pod, plan, blocked);
    break;
  }
  if (failure !== undefined) throw failure;
  return blocked;
}

/** Does what the plan says. Returns whether anything changed that makes another look worth while. */
async function act(
  options: PodSyncOptions,
  pod: KubeletPod,
  observed: ObservedPod,
  plan: Plan,
  backoff: CrashBackoff,
  blocked: Blocked,
): Promise<boolean> {
  const { cri, events, stopper, config, runtime } = options;
  const uid = pod.metadata.uid ?? "";
  for (const { container, because } of plan.kill)
    if (stopper.stop(uid, container.id, pod.spec.terminationGracePeriodSeconds ?? 30))
      events.normal(podTarget(pod, container.name), "Killing", because);
  for (const id of plan.remove) await cri.removeContainer({ containerId: id });
  for (const { id } of plan.stopSandboxes) await stopSandbox(options, pod, id);
  for (const id of plan.removeSandboxes) await cri.removePodSandbox({ podSandboxId: id });
  if (plan.createSandbox !== undefined) {
    if (plan.kill.length > 0) return false;
    for (const { id } of observed.sandboxes) await stopSandbox(options, pod, id);
    if (observed.sandboxes.length > 0)
      events.normal(podTarget(pod), "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    await createSandbox(options, pod, plan.createSandbox.attempt);
    return true;
  }
  for (const [name, { message }] of plan.waiting)
    events.warning(podTarget(pod, name), "BackOff", `Back-off restarting failed container ${name} in pod ${pod.metadata.name}: ${message}`);
  const sandbox = observed.sandboxes.find(({ ready }) => ready);
  if (plan.start.length === 0 || sandbox === undefined) return plan.stopSandboxes.length > 0;
  const volumes = await refreshVolumes(options, pod, podIpsOf(config, pod, sandbox));
  let started = false;
  for (const start of plan.start) {
    if (start.after !== undefined) backoff.restarted(backoffKey(pod, start.container.name), endedAt(start.after), runtime.clock.wall());
    try {
      await startContainer(options, pod, sandbox, start, volumes);
      started = true;
    } catch (error) {
      if (!(error instanceof ContainerBlocked)) throw error;
      events.warning(podTarget(pod, start.container.name), failedReason(error), `Error: ${error.message}`);
      blocked.set(start.container.name, { reason: error.reason, message: error.message });
    }
  }
  return started;
}

/** Ends a sandbox, its network included. Throws after having written the event. */
async function stopSandbox({ cri, events }: PodSyncOptions, pod: KubeletPod, id: string): Promise<void> {
  try {
    await cri.stopPodSandbox({ podSandboxId: id });
  } catch (error) {
    events.warning(podTarget(pod), "FailedKillPod", `error killing pod: failed to "KillPodSandbox": ${errorMessage(error)}`);
    throw error;
  }
}

const failedReason = (error: ContainerBlocked): string => (error.reason === "ErrImageNeverPull" ? error.reason : "Failed");

/** Ends the pod's containers and takes the pod out of the API when all is down. */
async function terminate(options: PodSyncOptions, pod: KubeletPod): Promise<void> {
  const { cri, runtime, events, stopper, client } = options;
  const { uid = "", namespace = "", name = "", deletionTimestamp = "", deletionGracePeriodSeconds = 30 } = pod.metadata;
  const observed = await observePod(cri, uid);
  watchProbes(options, pod, observed);
  const left = (Date.parse(deletionTimestamp) - runtime.clock.wall()) / seconds(1);
  const grace = Math.max(0, Math.min(deletionGracePeriodSeconds, left));
  const running = observed.containers.filter(({ state }) => state === "running");
  for (const container of running)
    if (stopper.stop(uid, container.id, grace))
      events.normal(podTarget(pod, container.name), "Killing", `Stopping container ${container.name}`);
  const plan = { waiting: new Map() };
  if (running.length > 0) return report(options, pod, observed, plan, new Map());
  for (const { id, ready } of observed.sandboxes) if (ready) await stopSandbox(options, pod, id);
  await report(options, pod, observed, plan, new Map(), { terminated: true });
  try {
    await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Takes away whatever a pod left on the node that the API no longer knows. */
async function removePod(options: PodSyncOptions, uid: string): Promise<void> {
  const { cri, stopper, config } = options;
  const observed = await observePod(cri, uid);
  options.probes.watch(uid, []);
  const running = observed.containers.filter(({ state }) => state === "running");
  for (const { id } of running) stopper.stop(uid, id, orphanGraceSeconds);
  // each container that ended brings us here again
  if (running.length > 0) return;
  for (const { id } of observed.sandboxes) {
    await cri.stopPodSandbox({ podSandboxId: id });
    await cri.removePodSandbox({ podSandboxId: id });
  }
  const logs = logFolderOf(config, uid, await readdir(config.podLogsDir).catch(() => []));
  for (const folder of [podFolder(config.rootDir, uid), ...logs]) await rm(folder, { recursive: true, force: true });
  await removeCgroup(podCgroup(config, uid));
  options.forgetTokens(uid);
}

async function report(
  options: PodSyncOptions,
  pod: KubeletPod,
  observed: ObservedPod,
  plan: Pick<Plan, "waiting">,
  blocked: Blocked,
  { terminated = false } = {},
): Promise<void> {
  const { config, probes, records, client, runtime } = options;
  const current = records.get(pod.metadata.uid ?? "") ?? pod;
  // an ended pod's status stays as it was when it ended, whatever becomes of its containers
  if (terminal(current.status?.phase) && !observed.containers.some(({ state }) => state === "running")) return;
  const ended = observed.containers.filter(({ state }) => state === "exited");
  const messages = new Map(
    await Promise.all(
      ended.map(async (container): Promise<[string, string]> => [container.id, await terminationMessage(config, pod, container)]),
    ),
  );
  const status = podStatus({
    pod: current,
    observed,
    plan,
    blocked,
    probed: (container, id) => probes.verdict(container, id),
    terminationMessage: ({ id }) => messages.get(id) ?? "",
    hostIps: config.nodeAddresses,
    terminated,
    now: runtime.clock.wall(),
  });
  await writeStatus(client, records, current, status);
}

function scheduleNext({ schedule, runtime }: PodSyncOptions, pod: KubeletPod, plan: Plan, blocked: Blocked): void {
  const uid = pod.metadata.uid ?? "";
  const now = runtime.clock.wall();
  if (plan.recheckAt !== undefined) schedule(uid, plan.recheckAt);
  if (blocked.size > 0) schedule(uid, now + blockedRetry);
}

function watchProbes({ probes, config }: PodSyncOptions, pod: KubeletPod, observed: ObservedPod): void {
  const uid = pod.metadata.uid ?? "";
  const sandbox = observed.sandboxes.find(({ ready }) => ready);
  const address = podIpsOf(config, pod, sandbox)[0] ?? "";
  probes.watch(
    uid,
    pod.spec.containers.flatMap((container): ProbedContainer[] => {
      const running = runningOf(observed, container);
      if (running === undefined) return [];
      const known = pod.status?.containerStatuses?.find(({ containerID }) => containerID === `containerd://${running.id}`);
      return [
        {
          uid,
          container,
          containerId: running.id,
          address,
          startedAt: Number(running.startedAt / 1_000_000n),
          wasReady: known?.ready ?? false,
          wasStarted: known?.started ?? false,
        },
      ];
    }),
  );
}

const runningOf = (observed: ObservedPod, { name }: KubeletContainer): ObservedContainer | undefined =>
  observed.containers.find((container) => container.name === name && container.state === "running");

function unhealthyReason(probes: Probes, pod: KubeletPod, observed: ObservedPod, id: string): string | undefined {
  const name = observed.containers.find((container) => container.id === id)?.name;
  const container = pod.spec.containers.find((found) => found.name === name);
  return container === undefined ? undefined : probes.verdict(container, id).unhealthy;
}
