import { minutes, seconds } from "#lib/runtime/duration.ts";
import { createAdmission, type Refusal, refusedStatus } from "./admission.ts";
import { type CrashBackoff, createCrashBackoff } from "./crash-backoff.ts";
import { ContainerBlocked, PodBlocked } from "./errors.ts";
import { podTarget } from "./events.ts";
import { type ObservedPod, observePod } from "./observe.ts";
import { backoffKey, endedAt, type Plan, planPod } from "./plan.ts";
import type { KubeletPod } from "./pod.ts";
import { createSandbox, podIpsOf, refreshVolumes, startContainer } from "./pod-actions.ts";
import type { PodContext } from "./pod-context.ts";
import { preStopOf, removePod, stopSandbox, terminate } from "./pod-ending.ts";
import { type Blocked, report, watchProbes } from "./pod-report.ts";
import type { Probes } from "./probes.ts";
import { rfc3339, terminal } from "./status.ts";
import { writeStatus } from "./status-writer.ts";
import { unsupportedFields } from "./unsupported.ts";

/** How soon something missing (an image, a ConfigMap) is looked for again. */
const blockedRetry = seconds(3);
/** How soon a change of a ConfigMap or Secret shows in a mounted volume, at the latest. */
const volumeRefresh = minutes(1);
/** A pass may make a sandbox, the next start containers, the third finds nothing to do. More only if the runtime changes meanwhile. */
const maxPasses = 5;

/** Brings one pod to what the API says of it now. Throws when it has to be tried again. */
export function createPodSync(options: PodContext): (uid: string) => Promise<void> {
  const backoff = createCrashBackoff();
  const announced = new Set<string>();
  const refreshed = new Map<string, number>();
  const admission = createAdmission(() => options.records.all());
  return async (uid) => {
    const pod = options.records.get(uid);
    if (pod === undefined) {
      await removePod(options, uid);
      backoff.forget(`${uid}/`);
      announced.delete(uid);
      refreshed.delete(uid);
      admission.forget(uid);
      return;
    }
    if (pod.metadata.deletionTimestamp !== undefined) return terminate(options, pod);
    const refusal = admission.refusal(pod);
    if (refusal !== undefined) return refuse(options, pod, refusal);
    if (!announced.has(uid)) {
      announced.add(uid);
      for (const field of unsupportedFields(pod)) options.events.warning(podTarget(pod), "NotThereYet", field);
    }
    await run(options, pod, backoff);
    await refreshSometimes(options, pod, refreshed);
  };
}

async function refuse({ client, records, events, runtime }: PodContext, pod: KubeletPod, refusal: Refusal): Promise<void> {
  events.warning(podTarget(pod), refusal.reason, refusal.message);
  await writeStatus(client, records, pod, refusedStatus(pod, refusal, rfc3339(runtime.clock.wall())));
}

/** Brings volumes that the API can change up to date once in {@link volumeRefresh}; containers see the files change. */
async function refreshSometimes(options: PodContext, pod: KubeletPod, refreshed: Map<string, number>): Promise<void> {
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

/** Observes, plans and acts until nothing is left to do now; then reports. */
async function run(options: PodContext, pod: KubeletPod, backoff: CrashBackoff): Promise<void> {
  const { cri, runtime, events } = options;
  const uid = pod.metadata.uid ?? "";
  const blocked: Blocked = new Map();
  let failure: unknown;
  for (let pass = 0; pass < maxPasses; pass++) {
    const observed = await observePod(cri, uid);
    watchProbes(options, pod, observed);
    const unhealthy = (id: string) => unhealthyReason(options.probes, pod, observed, id);
    const started: Parameters<typeof planPod>[0]["started"] = (container, id) => options.probes.verdict(container, id).started;
    const plan = planPod({ pod, observed, unhealthy, started, backoff, now: runtime.clock.wall() });
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
}

/** Does what the plan says. Returns whether anything changed that makes another look worth while. */
async function act(
  options: PodContext,
  pod: KubeletPod,
  observed: ObservedPod,
  plan: Plan,
  backoff: CrashBackoff,
  blocked: Blocked,
): Promise<boolean> {
  const { cri, events, stopper, config, runtime } = options;
  const uid = pod.metadata.uid ?? "";
  for (const { container, because } of plan.kill)
    if (stopper.stop(uid, container.id, pod.spec.terminationGracePeriodSeconds ?? 30, preStopOf(options, pod, observed, container)))
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

const failedReason = (error: ContainerBlocked): string => (error.reason === "ErrImageNeverPull" ? error.reason : "Failed");

function scheduleNext({ schedule, runtime }: PodContext, pod: KubeletPod, plan: Plan, blocked: Blocked): void {
  const uid = pod.metadata.uid ?? "";
  const now = runtime.clock.wall();
  if (plan.recheckAt !== undefined) schedule(uid, plan.recheckAt);
  if (blocked.size > 0) schedule(uid, now + blockedRetry);
}

function unhealthyReason(probes: Probes, pod: KubeletPod, observed: ObservedPod, id: string): string | undefined {
  const name = observed.containers.find((container) => container.id === id)?.name;
  const container = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((found) => found.name === name);
  return container === undefined ? undefined : probes.verdict(container, id).unhealthy;
}
