import { readdir, rm } from "node:fs/promises";
import { removeCgroup } from "#lab/node/containerd-cleanup.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { podTarget } from "./events.ts";
import { unmountBelow } from "./memory-volume.ts";
import { runHook } from "./lifecycle-hook.ts";
import { type ObservedContainer, type ObservedPod, observePod } from "./observe.ts";
import { podFolder } from "./paths.ts";
import { isSidecar } from "./plan.ts";
import type { KubeletPod } from "./pod.ts";
import { logFolderOf, podIpsOf } from "./pod-actions.ts";
import type { PodContext } from "./pod-context.ts";
import { report, watchProbes } from "./pod-report.ts";
import { podCgroup } from "./sandbox-config.ts";

/** The grace of a pod that nobody asks for any more. */
const orphanGraceSeconds = 1;

/** Ends the pod's containers and takes the pod out of the API when all is down. */
export async function terminate(options: PodContext, pod: KubeletPod): Promise<void> {
  const { cri, runtime, events, stopper, client } = options;
  const { uid = "", namespace = "", name = "", deletionTimestamp = "", deletionGracePeriodSeconds = 30 } = pod.metadata;
  const observed = await observePod(cri, uid);
  watchProbes(options, pod, observed);
  const left = (Date.parse(deletionTimestamp) - runtime.clock.wall()) / seconds(1);
  const grace = Math.max(0, Math.min(deletionGracePeriodSeconds, left));
  const running = observed.containers.filter(({ state }) => state === "running");
  for (const container of grace > 0 ? nextToEnd(pod, running) : running)
    if (stopper.stop(uid, container.id, grace, preStopOf(options, pod, observed, container)))
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

/** The containers first, all at once; then the sidecars, the last one first. Each end brings the next. */
function nextToEnd({ spec }: KubeletPod, running: readonly ObservedContainer[]): readonly ObservedContainer[] {
  const sidecars = (spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  const others = running.filter(({ name }) => !sidecars.includes(name));
  if (others.length > 0) return others;
  return [...running].sort((a, b) => sidecars.indexOf(b.name) - sidecars.indexOf(a.name)).slice(0, 1);
}

/** What the container wants done before it is ended, or undefined. A failure is an event, and the end comes all the same. */
export function preStopOf(
  { cri, config, events, runtime }: PodContext,
  pod: KubeletPod,
  observed: ObservedPod,
  { id, name }: ObservedContainer,
): ((limit: Duration) => Promise<void>) | undefined {
  const container = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((found) => found.name === name);
  const hook = container?.lifecycle?.preStop;
  if (container === undefined || hook === undefined) return undefined;
  const address =
    podIpsOf(
      config,
      pod,
      observed.sandboxes.find(({ ready }) => ready),
    )[0] ?? "";
  return async (limit) => {
    const failure = await runHook({ clock: runtime.clock, cri, hook, target: { container, containerId: id, address }, limit });
    if (failure !== undefined) events.warning(podTarget(pod, name), "FailedPreStopHook", `PreStopHook failed: ${failure}`);
  };
}

/** Takes away whatever a pod left on the node that the API no longer knows. */
export async function removePod(options: PodContext, uid: string): Promise<void> {
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
  await unmountBelow(podFolder(config.rootDir, uid));
  for (const folder of [podFolder(config.rootDir, uid), ...logs]) await rm(folder, { recursive: true, force: true });
  await removeCgroup(podCgroup(config, uid));
  options.forgetTokens(uid);
}

/** Ends a sandbox, its network included. Throws after having written the event. */
export async function stopSandbox({ cri, events }: PodContext, pod: KubeletPod, id: string): Promise<void> {
  try {
    await cri.stopPodSandbox({ podSandboxId: id });
  } catch (error) {
    events.warning(podTarget(pod), "FailedKillPod", `error killing pod: failed to "KillPodSandbox": ${errorMessage(error)}`);
    throw error;
  }
}
