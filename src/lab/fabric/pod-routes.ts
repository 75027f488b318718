import { tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import { type Node, nodes } from "#lib/kube/index.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { adminClient } from "../admin-client.ts";
import { run } from "../command.ts";
import type { LabPaths } from "../paths.ts";

/** A node that has just registered gets its part of the pod addresses a moment later. */
const divisionTime = seconds(5);

/**
 * Lets the API server reach pods, as it does in most clusters: by the node that each is on. `kubectl get --raw …/pods/NAME/proxy`, and webhooks
 * and aggregated APIs that are served from pods, need it.
 */
export async function routeToPods({
  runtime,
  paths,
  names,
  signal,
}: {
  readonly runtime: Pick<Runtime, "clock">;
  readonly paths: LabPaths;
  readonly names: readonly string[];
  readonly signal: AbortSignal;
}): Promise<void> {
  const client = adminClient(paths);
  const until = runtime.clock.monotonic() + divisionTime;
  try {
    for (;;) {
      const found = (await client.list(nodes)).items.filter(({ metadata }) => names.includes(metadata.name ?? ""));
      const divided = found.every(({ spec }) => (spec?.podCIDRs ?? []).length > 0);
      if (divided || runtime.clock.monotonic() > until) {
        const lines = found.flatMap(podRoutes).map((line) => `${line}\n`);
        await run("ip", ["-n", paths.fabricNetns, "-batch", "-"], { input: lines.join("") });
        return;
      }
      await sleep(runtime.clock, milliseconds(50), signal);
    }
  } finally {
    client.close();
  }
}

/** One route per family in which the node has both an address and pods. */
export function podRoutes({ spec, status }: Node): string[] {
  const addresses = (status?.addresses ?? []).flatMap(({ type, address }) =>
    type === "InternalIP" ? (tryParseAddress(address) ?? []) : [],
  );
  return (spec?.podCIDRs ?? []).flatMap((text) => {
    const prefix = tryParsePrefix(text);
    const via = addresses.find(({ family }) => family === prefix?.family);
    return prefix === undefined || via === undefined ? [] : [`route replace ${prefix} via ${via}`];
  });
}
