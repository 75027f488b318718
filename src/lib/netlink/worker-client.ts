import { Worker } from "node:worker_threads";
import { errorMessage } from "#lib/runtime/errors.ts";
import { endingOf, newEnding } from "./ending.ts";
import { NetlinkClosed, NetlinkError } from "./errors.ts";
import type { FromWorker, Job, JobResults, ToWorker, Watching } from "./jobs.ts";

/** The main thread's end of the worker: jobs go in, promises come out. */
export interface WorkerClient {
  submit<Kind extends Job["do"]>(job: Extract<Job, { do: Kind }>): Promise<JobResults[Kind]>;
  /** Hears the notifications of a watch; `undefined` says that some were lost. */
  listen(watching: Watching, listener: (chunk: Uint8Array | undefined) => void): () => void;
  close(): Promise<void>;
}

/** A bundle has the worker beside it under this name, since a thread needs a file of its own. */
const bundledWorker = "./netlink-worker.js";
const sourceWorker = "./worker.ts";

/** The worker holds little: sockets, and answers on their way. Keeps the agent's resident size down. */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

/** `onFailure` hears once if the worker ends unasked: nothing works after that, and the process had better be started anew. */
export function startWorker({ onFailure }: { readonly onFailure: (error: NetlinkClosed) => void }): WorkerClient {
  const url = new URL(import.meta.url.endsWith(".ts") ? sourceWorker : bundledWorker, import.meta.url);
  const state = newEnding();
  const worker = new Worker(url, { name: "netlink", resourceLimits, workerData: state });
  const waiting = new Map<number, { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }>();
  const listeners = new Map<number, (chunk: Uint8Array | undefined) => void>();
  const endWaits = (): void => endingOf(state).begin();
  process.once("exit", endWaits);
  let nextId = 1;
  let closed: NetlinkClosed | undefined;
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));

  const end = (reason: string): void => {
    if (closed === undefined) {
      closed = new NetlinkClosed(reason);
      onFailure(closed);
    }
    process.off("exit", endWaits);
    for (const { reject } of waiting.values()) reject(closed);
    waiting.clear();
    hold();
  };
  /** A process with nothing else to do may end while the worker is idle, not while a job is under way. */
  const hold = (): void => (waiting.size > 0 ? worker.ref() : worker.unref());

  const hear = (message: FromWorker): void => {
    if (message.kind === "watched") listeners.get(message.watch)?.(message.chunk);
    else if (message.kind === "overrun") listeners.get(message.watch)?.(undefined);
    else {
      const promise = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.kind === "done") promise?.resolve(message.result);
      else promise?.reject(new NetlinkError(message.failure));
    }
  };
  // Waking a thread costs more than most jobs: what is asked in one go travels together, both ways.
  let batch: ToWorker[] = [];
  const flush = (): void => {
    worker.postMessage(batch);
    batch = [];
    hold();
  };

  worker.on("message", (messages: readonly FromWorker[]) => {
    for (const message of messages) hear(message);
    hold();
  });
  worker.on("error", (error) => end(`failed: ${errorMessage(error)}`));
  worker.on("exit", () => end("ended"));
  worker.unref();

  return {
    submit<Kind extends Job["do"]>(job: Extract<Job, { do: Kind }>) {
      return new Promise<JobResults[Kind]>((resolve, reject) => {
        if (closed !== undefined) return reject(closed);
        const id = nextId++;
        waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
        if (batch.push({ id, job }) === 1) queueMicrotask(flush);
      });
    },
    listen({ watch }, listener) {
      listeners.set(watch, listener);
      return () => void listeners.delete(watch);
    },
    async close() {
      if (closed === undefined) {
        const done = this.submit({ do: "close" });
        closed = new NetlinkClosed("closed");
        await done.catch(() => {});
      }
      worker.ref();
      await exited;
    },
  };
}
