import { createConnection } from "node:net";
import { Duplex } from "node:stream";

/** A stream to a switch's socket that breaks behind so many bytes to the switch, in the middle of whatever they are. */
export interface CutSocket {
  readonly socket: Duplex;
  /** Bytes that were meant for the switch so far. */
  readonly offered: number;
  /** Resolves when the switch has read the last byte that came through, has done what it says, and has closed. */
  readonly over: Promise<void>;
}

/** `after` may be infinite: then it only counts. */
export function cutSocket({ path, after }: { readonly path: string; readonly after: number }): CutSocket {
  const upstream = createConnection({ path });
  let offered = 0;
  let broken = false;
  const socket = new Duplex({
    read: () => void upstream.resume(),
    write(chunk: Uint8Array, _encoding, done) {
      const left = after - offered;
      offered += chunk.length;
      if (left > chunk.length) upstream.write(chunk, () => done());
      else {
        // What is written behind that is lost, and so is what the switch still answers; it reads what came before to its end.
        broken = true;
        if (left > 0) upstream.end(chunk.subarray(0, left));
        else upstream.end();
        done();
      }
    },
    destroy(error, done) {
      upstream.end();
      done(error);
    },
  });
  upstream.on("data", (chunk: Uint8Array) => {
    if (!broken && !socket.push(chunk)) upstream.pause();
  });
  upstream.on("error", () => {});
  const over = new Promise<void>((resolve) => {
    upstream.on("close", () => {
      socket.destroy();
      resolve();
    });
  });
  return {
    socket,
    get offered() {
      return offered;
    },
    over,
  };
}
