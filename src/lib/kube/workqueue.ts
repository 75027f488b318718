import { type Backoff, createBackoff } from "#lib/runtime/backoff.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Work by key: a key that is added while its work runs is worked on once more; a failure is retried with backoff; keys never block each other. */
export interface Workqueue {
  add(key: string): void;
  addAfter(key: string, delayMs: number): void;
  /** Keys whose last attempt failed, with the reason: failure as data. */
  readonly failures: ReadonlyMap<string, string>;
  /** Resolves when nothing is queued or running. Keys that wait for a retry do not count. */
  whenIdle(): Promise<void>;
}

export interface WorkqueueOptions {
  readonly runtime: Runtime;
  readonly name: string;
  /** Brings the world of one key up to date. Must be idempotent. A throw means: try again later. */
  readonly work: (key: string) => Promise<void>;
  readonly signal: AbortSignal;
  /** Keys worked on at once. */
  readonly concurrency?: number;
}

export function createWorkqueue({ runtime, name, work, signal, concurrency = 8 }: WorkqueueOptions): Workqueue {
  const waiting = new Set<string>();
  const running = new Set<string>();
  const again = new Set<string>();
  const backoffs = new Map<string, Backoff>();
  const failures = new Map<string, string>();
  const logger = runtime.logger.with({ queue: name });
  let idle: (() => void)[] = [];

  const pump = (): void => {
    while (running.size < concurrency && !signal.aborted) {
      const key = waiting.values().next().value;
      if (key === undefined) break;
      waiting.delete(key);
      running.add(key);
      void one(key);
    }
    if (running.size === 0 && waiting.size === 0) {
      const resolve = idle;
      idle = [];
      for (const done of resolve) done();
    }
  };
  const one = async (key: string): Promise<void> => {
    try {
      await work(key);
      backoffs.delete(key);
      failures.delete(key);
    } catch (error) {
      const backoff = backoffs.get(key) ?? createBackoff({ random: runtime.random, limit: seconds(30) });
      backoffs.set(key, backoff);
      failures.set(key, errorMessage(error));
      const wait = backoff.next();
      logger.warn("work failed; trying again", { key, error: errorMessage(error), waitMs: Math.round(wait) });
      queue.addAfter(key, wait);
    } finally {
      running.delete(key);
      if (again.delete(key)) waiting.add(key);
      pump();
    }
  };
  const queue: Workqueue = {
    failures,
    add(key) {
      if (signal.aborted) return;
      if (running.has(key)) again.add(key);
      else waiting.add(key);
      pump();
    },
    addAfter: (key, delayMs) => void runtime.clock.after(delayMs, () => queue.add(key), { background: true }),
    whenIdle: () => (running.size === 0 && waiting.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
  return queue;
}
