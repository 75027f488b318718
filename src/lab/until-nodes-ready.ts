import { nodes } from "#lib/kube/index.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { sleep } from "#lib/runtime/clock.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { adminClient } from "./admin-client.ts";
import { NodesNotReady } from "./errors.ts";
import type { LabPaths } from "./paths.ts";

const limit = seconds(180);

/** Resolves when the API says that every node is Ready. Throws {@link NodesNotReady} with each node's own reason. */
export async function untilNodesReady({
  runtime,
  paths,
  names,
  registered = false,
  signal,
}: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly names: readonly string[];
  /** It is enough that the API knows them: no network is there yet that could make them ready. */
  readonly registered?: boolean;
  readonly signal: AbortSignal;
}): Promise<void> {
  const client = adminClient(paths);
  const deadline = runtime.clock.monotonic() + limit;
  try {
    for (;;) {
      const { items } = await client.list(nodes);
      const reasons = names.flatMap((name) => {
        if (registered && items.some((node) => node.metadata.name === name)) return [];
        const ready = items.find((node) => node.metadata.name === name)?.status?.conditions?.find(({ type }) => type === "Ready");
        return ready?.status === "True" ? [] : [`${name}: ${ready?.message ?? "not registered"}`];
      });
      if (reasons.length === 0) return;
      if (runtime.clock.monotonic() > deadline) throw new NodesNotReady(reasons, paths.logs);
      await sleep(runtime.clock, milliseconds(50), signal);
    }
  } finally {
    client.close();
  }
}
