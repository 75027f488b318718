import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import type { SessionAnswer } from "./session.ts";

const program = fileURLToPath(new URL("./main.ts", import.meta.url));

test("a session answers each question by its id, also wrong ones, and ends with its input", async (context) => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  const target = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const child = spawn(process.execPath, [program, "session"], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const requests = [
    { id: 1, args: ["connect", target, "--timeout=2s"] },
    { id: 2, args: ["connect", "127.0.0.1:1", "--timeout=2s"] },
    { id: 3, args: ["probe", target, "127.0.0.1:1"] },
    { id: 4, args: ["pause"] },
    { id: 5, args: ["connect", target, "--no-such-flag"] },
  ];
  child.stdin.end(`${requests.map((each) => JSON.stringify(each)).join("\n")}\n{"id":"x"}\nnonsense\n`);
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 0);
  const answers = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as SessionAnswer)
    .sort((one, other) => one.id - other.id);
  assert.deepEqual(
    answers.map(({ id, code: result }) => [id, result]),
    [
      [-1, 1],
      [-1, 1],
      [1, 0],
      [2, 1],
      [3, 0],
      [4, 1],
      [5, 1],
    ],
  );
  const of = (id: number): SessionAnswer | undefined => answers.find((answer) => answer.id === id);
  assert.equal(of(2)?.stderr, "REFUSED\n");
  assert.equal(of(3)?.stdout, `${target} ok\n127.0.0.1:1 refused\n`);
});
