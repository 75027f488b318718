import { spawn } from "node:child_process";
import { constants, totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import { SimulationTooLarge } from "./errors.ts";

const mebibyte = 2 ** 20;
/** Of the machine's memory: buffers, code and whatever else runs are beside the heap. */
const shareOfMachine = 0.75;
/** What comes and goes with each message has room until it is forgotten: a seventh of the processor time of 600 agents' start. */
const youngMebibytes = { least: 64, most: 128 };
/** Of all scenarios up to this size Node's own heap has room for any, whomever its policies are about. */
const pairsAtMost = 50_000;

/** Whether agents and pods may need more than the heap that this process has. */
export function mayNeedMore({ nodes, pods }: { readonly nodes: number; readonly pods: number }): boolean {
  return nodes * (nodes + pods) > pairsAtMost && heapOfMachine() * mebibyte > getHeapStatistics().heap_size_limit;
}

/** MiB that the heap of one process may take here. */
export function heapOfMachine(): number {
  // 0 where nothing constrains it.
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor((Math.min(totalmem(), constrained) * shareOfMachine) / mebibyte);
}

/** Whether the process was given a heap, by whomever. */
export const heapIsGiven = (): boolean =>
  [...process.execArgv, process.env.NODE_OPTIONS ?? ""].some((word) => word.includes("--max-old-space-size"));

/**
 * Runs this program again with the same words, in a process with a heap of so many MiB that has our standard streams and gets our signals. Resolves with its exit code. Rejects
 * with {@link SimulationTooLarge} when that was not enough.
 */
export async function runAgainWithHeap(heapMebibytes: number): Promise<number> {
  const heap = [
    `--max-old-space-size=${heapMebibytes}`,
    `--min-semi-space-size=${youngMebibytes.least}`,
    `--max-semi-space-size=${youngMebibytes.most}`,
  ];
  const child = spawn(process.execPath, [...heap, ...process.execArgv, ...process.argv.slice(1)], { stdio: "inherit" });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, forward);
  const [code, signal] = await new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (...end) => resolve(end));
  });
  for (const each of signals) process.off(each, forward);
  // V8 aborts when its heap is full, behind some pages about itself.
  if (signal === "SIGABRT") throw new SimulationTooLarge(heapMebibytes);
  // As shells tell it of a program that a signal ended.
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
