import { Agent, get } from "node:http";
import type { Socket } from "node:net";
import { deadline } from "#lib/runtime/deadline.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { durationOf, endpointOf } from "./probe.ts";

/** So long TCP may need to bring a request through an interruption by repeating it, and its answer. */
const patience = seconds(30);

/**
 * `hold [--interval=200ms] HOST:PORT`: holds one connection to an HTTP server and asks over it each interval, once the answer before has come. Prints `MILLISECONDS ok` for each
 * answer, with the wall time at which it was asked for, and `MILLISECONDS lost` when the connection ended or no answer came for half a minute; then it holds another one. Runs
 * until it is ended, or until `signal`. An addition of ours to the commands of the well-known image.
 */
export async function hold(args: readonly string[], print: (line: string) => void, signal?: AbortSignal): Promise<number> {
  const interval = milliseconds(durationOf(args, "interval", 200));
  const endpoint = endpointOf(args.find((arg) => !arg.startsWith("--")) ?? "");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let held: Socket | undefined;
  while (!signal?.aborted) {
    const at = Date.now();
    const socket = await ask({ ...endpoint, agent }).catch(() => undefined);
    print(`${at} ${socket === undefined || (held !== undefined && socket !== held) ? "lost" : "ok"}`);
    held = socket;
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
  agent.destroy();
  return 0;
}

/** Resolves with the connection that the answer came over. */
function ask(endpoint: { readonly host: string; readonly port: number; readonly agent: Agent }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const waiting = deadline(patience, () => request.destroy(new Error("no answer")));
    const request = get({ ...endpoint, path: "/healthz" }, (response) => {
      const { socket } = response;
      response.resume().once("end", () => {
        waiting.cancel();
        resolve(socket);
      });
    });
    request.once("error", (error) => {
      waiting.cancel();
      reject(error);
    });
  });
}
