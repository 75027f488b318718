import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type CniRequest, encodeMessage, largestMessageBytes } from "#lib/cni/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { listenForCni } from "./server.ts";
import { ask, cniRequest, exchange } from "./testing/request.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };

describe("the agent's CNI socket", () => {
  let directory: string;
  let path: string;
  let server: { close(): Promise<void> };
  const answer = async (request: CniRequest) => ({ result: { echo: request.containerId } });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "cni-server-"));
    path = join(directory, "run", "cni.sock");
    server = await listenForCni({ runtime, path, answer });
  });
  after(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  it("answers one request per connection, for root alone", async () => {
    assert.deepEqual(await ask(path, cniRequest("ADD", { containerId: "abc" })), { result: { echo: "abc" } });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("answers what is no request with error 6", async () => {
    const refused = async (text: string): Promise<unknown> => JSON.parse(await exchange(path, text)).error;
    assert.deepEqual(await refused("GET / HTTP/1.1\r\n"), { cniVersion: "0.1.0", code: 6, msg: "request to the agent: no JSON" });
    assert.deepEqual(await refused('{"form":1}\n'), {
      cniVersion: "0.1.0",
      code: 6,
      msg: "request to the agent: field command is no text",
    });
    assert.match(JSON.stringify(await refused("x".repeat(largestMessageBytes + 1))), /longer than 1048576 bytes/);
  });

  it("takes a request in any number of pieces", async () => {
    const whole = encodeMessage(cniRequest("ADD", { containerId: "pieces" }));
    assert.match(await exchange(path, whole), /pieces/);
  });

  it("replaces the socket of an agent that is gone, never of one that lives", async () => {
    await assert.rejects(listenForCni({ runtime, path, answer }), { code: "CNI_SOCKET_IN_USE" });
    const stale = join(directory, "stale.sock");
    await writeFile(stale, "");
    const other = await listenForCni({ runtime, path: stale, answer });
    assert.deepEqual(await ask(stale, cniRequest("ADD")), { result: { echo: "c1" } });
    await other.close();
  });
});

it("works of one key wait for each other, of different keys do not", async () => {
  const serially = oneAtATime();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = serially("a", async () => {
    await gate.promise;
    order.push("a1");
    throw new Error("fails");
  });
  const second = serially("a", async () => void order.push("a2"));
  await serially("b", async () => void order.push("b1"));
  gate.resolve();
  await assert.rejects(first, /fails/);
  await second;
  assert.deepEqual(order, ["b1", "a1", "a2"]);
});
