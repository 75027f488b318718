import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { nodeOptions } from "../../src/lab/programs.ts";
import type { Ask, Told } from "./messages.ts";

export interface BenchServer {
  ask<Done extends Told["done"]>(ask: Ask & { readonly do: Done }): Promise<Told & { readonly done: Done }>;
  stop(): Promise<void>;
}

/** Starts the server's process, with the options that a controller is started with; its memory is its own. */
export function startServer(): BenchServer {
  const child = fork(fileURLToPath(new URL("./server-program.ts", import.meta.url)), {
    execArgv: ["--expose-gc", ...(nodeOptions["antrea-controller"] ?? [])],
  });
  return {
    async ask(ask) {
      const answered = new AbortController();
      try {
        const answer = once(child, "message", { signal: answered.signal });
        const ended = once(child, "exit", { signal: answered.signal }).then(() => Promise.reject(new Error("the server ended")));
        child.send(ask);
        const [told] = await Promise.race([answer, ended]);
        return told;
      } finally {
        answered.abort();
      }
    },
    async stop() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}
