import { type Profiler, Session } from "node:inspector/promises";
import { type Clock, type Duration, sleep } from "#lib/runtime/index.ts";
import type { Call, CallTree } from "./call-tree.ts";

/** A hundred samples a second, as Go takes them: some 1 % of what the process does. */
const samplingInterval = 10_000;
const nanosecondsPerMicrosecond = 1_000;

/** Looks a hundred times a second at what this thread computes, for `duration`. Rejects with the signal's reason when it aborts. */
export async function profileProcessorTime(options: {
  readonly clock: Clock;
  readonly duration: Duration;
  readonly signal: AbortSignal;
}): Promise<CallTree> {
  const { clock, duration, signal } = options;
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: samplingInterval });
    const began = clock.wall();
    await session.post("Profiler.start");
    await sleep(clock, duration, signal);
    const { profile } = await session.post("Profiler.stop");
    return { ...processorTimeOf(profile), began, took: duration };
  } finally {
    // ends the sampling too, when it was given up
    session.disconnect();
  }
}

/** V8's own profile as calls with their samples and processor time. Time at rest is left out. */
export function processorTimeOf({
  nodes,
  samples = [],
  timeDeltas = [],
}: Pick<Profiler.Profile, "nodes" | "samples" | "timeDeltas">): Pick<CallTree, "counts" | "calls" | "period"> {
  const counted = new Map<number, { samples: number; microseconds: number }>();
  for (const [index, id] of samples.entries()) {
    const of = counted.get(id) ?? { samples: 0, microseconds: 0 };
    counted.set(id, of);
    of.samples++;
    // A sample stands for the time until the next one.
    of.microseconds += Math.max(0, timeDeltas[index + 1] ?? samplingInterval);
  }
  const callers = new Map<number, Profiler.ProfileNode>();
  for (const node of nodes) for (const child of node.children ?? []) callers.set(child, node);
  const made = new Map<number, Call>();
  const callOf = (node: Profiler.ProfileNode): Call => {
    const known = made.get(node.id);
    if (known !== undefined) return known;
    const caller = callers.get(node.id);
    const { samples: seen, microseconds } = counted.get(node.id) ?? { samples: 0, microseconds: 0 };
    const call: Call = {
      frame: node.callFrame,
      // the root is nobody's code
      caller: caller === undefined || !callers.has(caller.id) ? undefined : callOf(caller),
      values: [seen, microseconds * nanosecondsPerMicrosecond],
    };
    made.set(node.id, call);
    return call;
  };
  return {
    counts: [
      { type: "samples", unit: "count" },
      { type: "cpu", unit: "nanoseconds" },
    ],
    calls: nodes.filter(({ id, callFrame }) => counted.has(id) && callFrame.functionName !== "(idle)").map(callOf),
    period: samplingInterval * nanosecondsPerMicrosecond,
  };
}
