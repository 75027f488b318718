import { readdir, rm } from "node:fs/promises";
import { removeCgroup } from "#lab/node/containerd-cleanup.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { podTarget } from "./events.ts";
import { observePod } from "./observe.ts";
import { podFolder } from "./paths.ts";
import type { KubeletPod } from "./pod.ts";
import { logFolderOf } from "./pod-actions.ts";
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
