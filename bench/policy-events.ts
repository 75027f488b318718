import type { Bench } from "./bench.ts";
import { inOwnProcess } from "./policy-shapes/child.ts";

/** One change at a time in full clusters, from the call to its outputs at a watcher: the worse of two shapes. */
export const bench: Bench = {
  goals: { pod_p99_ms: 1, namespace_p99_ms: 5, policy_p99_ms: 2 },
  async run({ print }) {
    const worst: Record<string, number> = {};
    for (const shape of ["small_namespaces", "large_namespaces"]) {
      const figures = await inOwnProcess("events.ts", shape);
      print(`${shape}: ${JSON.stringify(figures)}`);
      for (const [kind, value] of Object.entries(figures)) worst[kind] = Math.max(worst[kind] ?? 0, value);
    }
    return worst;
  },
};
