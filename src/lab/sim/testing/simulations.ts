import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Outcome, RunOptions } from "../run.ts";

/** A run that another thread can be asked for: a mistake is built in by its name. */
export type Asked = Pick<RunOptions, "scenario" | "mixing" | "untilWrong"> & { readonly mutant?: string };
export type Told = { readonly outcome: Outcome } | { readonly problem: string };

/**
 * Runs scenarios in a thread of its own, one after the other. node:test follows every promise that is made in the thread of a test, so as to know whose it is:
 * a simulation, which makes many millions, takes half as much again there.
 */
export function createSimulations(): { readonly run: (asked: Asked) => Promise<Outcome>; readonly close: () => Promise<void> } {
  const worker = new Worker(new URL("./simulation-thread.ts", import.meta.url));
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (asked: Asked): Promise<Outcome> => {
    worker.postMessage(asked);
    const [told] = (await once(worker, "message")) as [Told];
    if ("problem" in told) throw new Error(told.problem);
    return told.outcome;
  };
  return {
    run(asked) {
      const outcome = last.then(() => ask(asked));
      last = outcome.catch(() => {});
      return outcome;
    },
    close: async () => void (await worker.terminate()),
  };
}
