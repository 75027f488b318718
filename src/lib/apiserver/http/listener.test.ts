import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { connect as openTls, type TLSSocket } from "node:tls";
import { type TestContext, test } from "node:test";
import { minutes, silentLogger, systemRuntime, virtualClock } from "#lib/runtime/index.ts";
import { createAuthority, issueCertificate } from "../certificates.ts";
import { tlsLimits } from "../tls-limits.ts";
import { openListener } from "./listener.ts";

/** Answers begin at once and never end, those of upgrades too. */
async function listen(context: TestContext) {
  const runtime = systemRuntime({ level: "error" });
  const authority = createAuthority(runtime, { commonName: "cluster" });
  const { certificate: cert, key } = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });
  const clock = virtualClock();
  const listener = await openListener(
    { host: "127.0.0.1", port: 0 },
    {
      clock,
      logger: silentLogger,
      context: () => ({ cert, key, ...tlsLimits({ minVersion: "", cipherSuites: "" }) }),
      askForCertificates: false,
      answer: (_request, response, upgraded) =>
        void (upgraded?.socket.resume().write("HTTP/1.1 101 Switching Protocols\r\n\r\n") ?? response.writeHead(200).write("first")),
    },
  );
  const session = connect(`https://127.0.0.1:${listener.port}`, { ca: authority.certificate });
  context.after(async () => {
    session.destroy();
    await listener.close();
  });
  /** A connection that is written to by hand. */
  const open = (ALPNProtocols: readonly string[] = []): TLSSocket =>
    openTls({ host: "127.0.0.1", port: listener.port, ca: authority.certificate, ALPNProtocols: [...ALPNProtocols] });
  return { clock, session, open };
}

test("a request must be there as a whole within five minutes; an answer may take for ever", async (context) => {
  const { clock, session } = await listen(context);
  const watch = session.request({ ":path": "/watch" });
  const sending = session.request({ ":path": "/send", ":method": "POST" });
  const answered = Promise.all([watch, sending].map((stream) => once(stream, "data")));
  sending.write("half of it");
  await answered;
  const closed = once(sending, "close");
  clock.advance(minutes(6));
  await closed;
  // Behind the other on its connection, had it been closed, too.
  const last = session.request({ ":path": "/last" });
  await once(last, "data");
  assert.equal(watch.closed, false);
});

test("a client that has ended its side of the connection has a minute for its answer", async (context) => {
  const { clock, open } = await listen(context);
  const socket = open();
  const closed = once(socket, "close");
  socket.end("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
  while (!socket.destroyed) {
    // The end of its side may come later than the request.
    clock.advance(minutes(1));
    await Promise.race([closed, new Promise((resolve) => setImmediate(resolve))]);
  }
});

for (const { title, protocols, words } of [
  { title: "HTTP/2", protocols: ["h2"], words: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" },
  { title: "an upgrade", protocols: [], words: "GET /exec HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: spdy\r\n\r\n" },
])
  test(`a connection of ${title} ends when its client ends its side`, async (context) => {
    const { open } = await listen(context);
    const socket = open(protocols);
    socket.write(words);
    await once(socket, "data");
    socket.resume().end();
    await once(socket, "close");
  });
