import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { splitHostPort } from "./connect.ts";
import { readFlags } from "./flags.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
let server: ChildProcess;
let http = 0;
let udp = 0;

before(async () => {
  server = spawn(process.execPath, [main, "netexec", "--http-port", "0", "--udp-port=0"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  while (!/UDP server on port \d+\n/.test(text)) text += String((await once(server.stdout ?? server, "data"))[0]);
  [http = 0, udp = 0] = [...text.matchAll(/port (\d+)/g)].map(([, port]) => Number(port));
});
after(() => server.kill());

const get = async (path: string) => {
  const answer = await fetch(`http://127.0.0.1:${http}${path}`, { redirect: "manual" });
  return { status: answer.status, text: await answer.text() };
};

test("netexec answers as tests expect of it", async () => {
  assert.match((await get("/clientip")).text, /^127\.0\.0\.1:\d+$/);
  const logged = once(server.stdout ?? server, "data");
  assert.deepEqual(await get("/echo?msg=hi&code=418"), { status: 418, text: "hi" });
  assert.equal(String((await logged)[0]), "GET /echo?msg=hi&code=418\n");
  assert.deepEqual(await get("/healthz"), { status: 200, text: "" });
  assert.deepEqual(await get("/readyz"), { status: 200, text: "" });
  assert.equal((await get("/redirect?location=/hostname")).status, 302);
  assert.equal((await get("/nothing")).status, 404);
  assert.equal((await get("/upload")).status, 501);
  assert.deepEqual(await get("/shell?cmd=echo%20out"), { status: 200, text: '{"output":"out\\n"}' });
  assert.equal((await get("/shell?cmd=false")).status, 417);
});

test("dial asks another server, over HTTP and UDP, and counts what failed", async () => {
  const hostname = (await get("/hostname")).text;
  const http2 = await get(`/dial?host=127.0.0.1&port=${http}&request=hostname&tries=2`);
  assert.deepEqual(http2, { status: 200, text: JSON.stringify({ responses: [hostname, hostname] }) });
  const udp1 = await get(`/dial?host=[::1]&port=${udp}&request=echo%20hi&protocol=udp`);
  assert.deepEqual(udp1, { status: 200, text: '{"responses":["hi"]}' });
  assert.equal((await get("/dial?host=127.0.0.1&port=1&request=x")).status, 417);
  assert.match((await get("/dial?host=127.0.0.1&port=x&request=x")).text, /^port: /);
});

test("connect says nothing when the way is open, and names what is wrong otherwise", () => {
  const connect = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [main, "connect", ...args], { encoding: "utf8" });
    return `${status} ${stderr.trim()}`;
  };
  assert.equal(connect(`127.0.0.1:${http}`, "--timeout=2s"), "0 ");
  assert.equal(connect(`[::1]:${udp}`, "--protocol", "udp", "--timeout", "2s"), "0 ");
  assert.equal(connect("127.0.0.1:1", "--timeout=2s"), "1 REFUSED");
  assert.match(connect("nowhere"), /^1 UNKNOWN: /);
  assert.match(connect("127.0.0.1:1", "--protocol=sctp"), /^1 OTHER: SCTP is not there yet/);
  assert.match(connect("127.0.0.1:1", "--timeout=soon"), /--timeout: "soon" is not a duration/);
});

test("flags come in every form", () => {
  const flags = readFlags(["--a=1", "--b", "-1", "--http=false", "--tcp", "rest"], ["a", "b"], ["http", "tcp", "udp"]);
  assert.deepEqual(
    [
      flags.number("a", 0),
      flags.number("b", 0),
      flags.truth("http", true),
      flags.truth("tcp", false),
      flags.truth("udp", true),
      flags.arguments,
    ],
    [1, -1, false, true, true, ["rest"]],
  );
});

test("any host and port is split; anything else is refused without a throw", () => {
  assert.deepEqual(splitHostPort("[fd00::1]:80"), { host: "fd00::1", port: 80 });
  assert.equal(splitHostPort("fd00::1:80"), undefined);
  fc.assert(fc.property(fc.string(), (text) => void splitHostPort(text)));
});
