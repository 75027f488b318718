import { type HeapProfiler, Session } from "node:inspector/promises";
import { type Clock, type Duration, sleep } from "#lib/runtime/index.ts";
import type { Call, CallTree } from "./call-tree.ts";

/** Bytes made between two samples, on average. */
const samplingInterval = 65_536;

export interface MemoryProfileOptions {
  readonly clock: Clock;
  readonly duration: Duration;
  /** `allocated`: all that is made meanwhile; `kept`: what of it is still in use at the end. */
  readonly which: "allocated" | "kept";
  readonly signal: AbortSignal;
}

/** Notes for `duration` where memory is made, one sample in 64 KiB. Rejects with the signal's reason when it aborts. */
export async function profileMemory({ clock, duration, which, signal }: MemoryProfileOptions): Promise<CallTree> {
  const session = new Session();
  session.connect();
  const collected = which === "allocated";
  try {
    const began = clock.wall();
    await session.post("HeapProfiler.startSampling", {
      samplingInterval,
      includeObjectsCollectedByMajorGC: collected,
      includeObjectsCollectedByMinorGC: collected,
    });
    await sleep(clock, duration, signal);
    if (!collected) await session.post("HeapProfiler.collectGarbage");
    const { profile } = await session.post("HeapProfiler.stopSampling");
    return { ...memoryOf(profile, which), began, took: duration };
  } finally {
    session.disconnect();
  }
}

/** V8's own profile as calls with the bytes made in them. */
export function memoryOf(
  { head }: HeapProfiler.SamplingHeapProfile,
  which: MemoryProfileOptions["which"],
): Pick<CallTree, "counts" | "calls" | "period"> {
  const calls: Call[] = [];
  // A deep recursion is a deep tree: a list of what is left to visit, in place of calls.
  const left = head.children.map((node) => ({ node, caller: undefined as Call | undefined }));
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, caller } = next;
    const call: Call = { frame: node.callFrame, caller, values: [node.selfSize] };
    if (node.selfSize > 0) calls.push(call);
    for (const child of node.children) left.push({ node: child, caller: call });
  }
  return { counts: [{ type: which === "allocated" ? "alloc_space" : "inuse_space", unit: "bytes" }], calls, period: samplingInterval };
}
