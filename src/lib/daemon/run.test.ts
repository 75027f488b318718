import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { version } from "./version.ts";

const folder = await mkdtemp(join(tmpdir(), "daemon-run-"));
after(() => rm(folder, { recursive: true }));
const example = fileURLToPath(new URL("./testing/example.ts", import.meta.url));

/** Runs the example to its end; SIGTERM is sent when it says that it runs. */
async function run(args: readonly string[], fails = ""): Promise<{ code: number | null; out: string; err: readonly string[] }> {
  const child = spawn(process.execPath, [example, ...args], { env: { ...process.env, FAILS: fails }, stdio: ["ignore", "pipe", "pipe"] });
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    const ranBefore = err.includes('"runs"');
    err += chunk;
    // once: a second signal may meet a process that has put its handlers away
    if (!ranBefore && err.includes('"runs"')) child.kill("SIGTERM");
  });
  const [out, code] = await Promise.all([text(child.stdout), new Promise<number | null>((resolve) => child.once("close", resolve))]);
  return { code, out, err: err.split("\n").filter((line) => line !== "") };
}

test("help and version are printed, a wrong flag is one line and status 2", async () => {
  const [help, told, refused] = await Promise.all([run(["--help"]), run(["--version"]), run(["--nope"])]);
  assert.equal(help.code, 0);
  assert.match(help.out, /^example is an example\./);
  assert.deepEqual(told, { code: 0, out: `example ${version}\n`, err: [] });
  assert.equal(refused.code, 2);
  assert.match(refused.err.join("\n"), /^example: Unknown option '--nope'.*--help shows what there is$/);
});

test("runs with its configuration until SIGTERM: status 0; notices are logged", async () => {
  const file = join(folder, "example.conf");
  await writeFile(file, "port: 7\nnewer: 1\n");
  const { code, err } = await run(["--config", file, "--v=4", "--logtostderr"]);
  assert.equal(code, 0);
  const lines = err.map((line) => JSON.parse(line) as Record<string, unknown>);
  const messages = lines.map((line) => JSON.stringify(line)).join("\n");
  assert.match(messages, /--logtostderr has no effect/);
  assert.match(messages, /newer is not a key of this version/);
  assert.match(messages, /"port":7/);
  assert.match(messages, /stopping/);
  const strict = await run(["--config", file, "--strict"]);
  assert.equal(strict.code, 2);
  assert.match(strict.err.join("\n"), /^example: --strict: .*example\.conf: newer is not a key of this version$/);
  const checked = await run(["--config", file, "--check"]);
  assert.equal(checked.code, 0);
  assert.match(checked.out, /example\.conf: newer is not a key of this version/);
  assert.deepEqual(checked.err, []);
});

test("wrong input is one line and status 2, anything else status 1, and a rejection by the end itself is none", async () => {
  const file = join(folder, "wrong.conf");
  await writeFile(file, "port: 70\n");
  const [config, input, defect, ended] = await Promise.all([run(["--config", file]), run([], "input"), run([], "defect"), run([], "end")]);
  assert.equal(config.code, 2);
  assert.equal(config.err.length, 1);
  assert.match(config.err[0] ?? "", /^example: .*wrong\.conf: port: 70/);
  assert.deepEqual(input, { code: 2, out: "", err: ["example: the pair is wrong"] });
  assert.equal(defect.code, 1);
  assert.equal(defect.err[0], "example: a defect");
  assert.match(defect.err[1] ?? "", /"stack"/);
  assert.equal(ended.code, 0);
});
