import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:tls";
import { after, before, test } from "node:test";
import { call } from "../testing/http.ts";
import { startTestServer, type TestServer } from "../testing/test-server.ts";

let server: TestServer;
const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";

before(async () => {
  server = await startTestServer({ customResources: true });
});
after(() => server.stop());

const socketTo = () =>
  connect({
    host: "127.0.0.1",
    port: server.port,
    ca: server.authority.certificate,
    cert: server.admin.certificate,
    key: server.admin.key,
  });

/** What comes back for a request behind which the client ends its side of the connection, until the server ends its own. */
async function answerTo(request: string): Promise<string> {
  const socket = socketTo();
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
  socket.end(request);
  await once(socket, "close");
  return answer;
}

for (const size of [10, 100_000])
  test(`a client that ends its side of the connection behind a body of ${size} bytes gets its answer`, async () => {
    const body = JSON.stringify({ metadata: { name: `half-${size}` }, spec: { node: "x".repeat(size) } });
    const head = ["host: x", "content-type: application/json", `content-length: ${body.length}`];
    const answer = await answerTo([`POST ${gadgets} HTTP/1.1`, ...head, "", body].join("\r\n"));
    assert.match(answer, /^HTTP\/1\.1 201 /);
    assert.ok(answer.endsWith("}"), "the answer is whole");
  });

test("a watch ends with what there is when its client ends its side of the connection", async () => {
  await call(server, { method: "POST", path: gadgets, body: { metadata: { name: "watched" } } });
  const watch = `GET ${gadgets}?watch=true HTTP/1.1\r\nhost: x\r\n\r\n`;
  assert.match(await answerTo(watch), /"name":"watched"/);
  const socket = socketTo();
  socket.write(watch);
  await once(socket, "data");
  socket.resume().end();
  await once(socket, "close");
});
