import { request } from "node:https";
import type { ServerProcess } from "./api-server.ts";

export const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";

/** A watch of gadgets on a connection of its own. */
export interface Watcher {
  /** The server ended it, as far as the watcher has read. */
  readonly isClosed: boolean;
  /** Reads on. */
  resume(): void;
}

/**
 * Opens a watch over TLS. `hear` gets each piece as it comes; without it the watcher reads the head of the answer and nothing after it.
 */
export function openWatcher({ connection }: ServerProcess, hear?: (piece: string) => void): Promise<Watcher> {
  return new Promise((resolve, reject) => {
    const asking = request({ ...connection, agent: false, path: `${gadgets}?watch=true&resourceVersion=0` }, (answer) => {
      let isClosed = false;
      answer.once("close", () => {
        isClosed = true;
      });
      answer.once("error", () => {});
      if (hear === undefined) answer.socket.pause();
      else answer.setEncoding("utf8").on("data", hear);
      resolve({
        get isClosed() {
          return isClosed || answer.socket.destroyed;
        },
        resume: () => void answer.resume().socket.resume(),
      });
    });
    asking.once("error", reject);
    asking.end();
  });
}

/** The body of a gadget that tells when it was sent. */
export const stamped = (name: string, filler = ""): string =>
  JSON.stringify({ metadata: { name }, spec: { size: 1, tags: { at: String(performance.now()), filler } } });

/** The times in a piece of a watch. A piece may end within one; so seldom that the loss does not count. */
export const stampsIn = (piece: string): readonly number[] => [...piece.matchAll(/"at":"([\d.]+)"/g)].map(([, at]) => Number(at));
