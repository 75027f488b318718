import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { type TestContext, test } from "node:test";
import { minutes, silentLogger, systemRuntime, virtualClock } from "#lib/runtime/index.ts";
import { createAuthority, issueCertificate } from "../certificates.ts";
import { tlsLimits } from "../tls-limits.ts";
import { openListener } from "./listener.ts";

/** Answers begin at once and never end. */
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
      answer: (_request, response) => void response.writeHead(200).write("first"),
    },
  );
  const session = connect(`https://127.0.0.1:${listener.port}`, { ca: authority.certificate });
  context.after(async () => {
    session.destroy();
    await listener.close();
  });
  return { clock, session };
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
