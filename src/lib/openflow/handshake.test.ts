import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Writer } from "#lib/bytes/index.ts";
import { milliseconds, systemClock, virtualRuntime } from "#lib/runtime/index.ts";
import { connectOpenFlow } from "./connection.ts";
import { createFrameDecoder } from "./messages/frames.ts";
import { emptyMessage, endMessage, messageType, startMessage } from "./messages/header.ts";
import { writeHello } from "./messages/session.ts";

/** A clock whose first two timers are the limits of what the system has done by the time that this process looks: opening, and the greeting. */
function hastyClock(): typeof systemClock {
  let hasty = 2;
  return {
    ...systemClock,
    after(delay, run, options) {
      // The connection's own beat is no limit.
      if (options?.background || hasty === 0) return systemClock.after(delay, run, options);
      hasty--;
      return systemClock.after(milliseconds(1), run, options);
    },
  };
}

const busy = (): void => {
  const end = performance.now() + 30;
  while (performance.now() < end);
};

test("a greeting that came in time counts, however late the process comes to read it", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "handshake-"));
  const path = join(directory, "switch.mgmt");
  const server = createServer((peer) => {
    const send = (write: (writer: Writer) => void): void => {
      const writer = new Writer();
      write(writer);
      peer.write(writer.result());
    };
    const decoder = createFrameDecoder();
    peer.on("data", (chunk: Uint8Array) => {
      for (const { type, xid } of decoder.push(chunk).messages)
        if (type === messageType.barrierRequest) send((writer) => emptyMessage(writer, messageType.barrierReply, xid));
        else if (type === messageType.featuresRequest)
          send((writer) => {
            const start = startMessage(writer, messageType.featuresReply, xid);
            writer.uint64(5n).zeros(4).uint8(254).zeros(11);
            endMessage(writer, start);
          });
    });
    send((writer) => writeHello(writer, 1));
    busy();
  }).listen(path);
  await once(server, "listening");
  context.after(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });
  const connecting = connectOpenFlow({ runtime: { ...virtualRuntime({ seed: 1 }), clock: hastyClock() }, path });
  busy();
  const connection = await connecting;
  assert.equal(connection.features.datapathId, 5n);
  connection.close();
});
