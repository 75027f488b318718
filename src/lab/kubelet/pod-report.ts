import type { ObservedContainer, ObservedPod } from "./observe.ts";
import { isSidecar, type Plan } from "./plan.ts";
import type { KubeletContainer, KubeletPod } from "./pod.ts";
import { podIpsOf, terminationMessage } from "./pod-actions.ts";
import type { PodContext } from "./pod-context.ts";
import type { ProbedContainer } from "./probes.ts";
import { podStatus, terminal } from "./status.ts";
import { writeStatus } from "./status-writer.ts";

/** Containers that cannot be started now, by name, and why. */
export type Blocked = Map<string, { reason: string; message: string }>;

/** Writes what was observed of the pod into its status. */
export async function report(
  options: PodContext,
  pod: KubeletPod,
  observed: ObservedPod,
  plan: Pick<Plan, "waiting" | "expired">,
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

/** Has the probes follow the containers that run now. */
export function watchProbes({ probes, config }: PodContext, pod: KubeletPod, observed: ObservedPod): void {
  const uid = pod.metadata.uid ?? "";
  const sandbox = observed.sandboxes.find(({ ready }) => ready);
  const address = podIpsOf(config, pod, sandbox)[0] ?? "";
  probes.watch(
    uid,
    [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers].flatMap((container): ProbedContainer[] => {
      const running = runningOf(observed, container);
      if (running === undefined) return [];
      const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
      const known = [...initContainerStatuses, ...containerStatuses].find(
        ({ containerID }) => containerID === `containerd://${running.id}`,
      );
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
