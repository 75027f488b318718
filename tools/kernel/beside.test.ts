import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { runBeside, untilSilent } from "./beside.ts";
import { knock } from "./door.ts";

/** A door as the machine's, whose machine stands still from when it is told to. */
async function door(context: TestContext) {
  let answers = true;
  const said: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("data", (words) => {
      if (String(words) === `${knock}\n`) {
        if (answers) socket.end(words);
      } else said.push(String(words));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const standStill = (): void => {
    answers = false;
  };
  context.after(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { port: typeof address === "object" ? (address?.port ?? 0) : 0, said, standStill };
}

async function testFile(context: TestContext, content: string): Promise<{ root: string; files: string[] }> {
  const root = await mkdtemp(join(tmpdir(), "beside-"));
  context.after(() => rm(root, { recursive: true, force: true }));
  await writeFile(join(root, "a.ts"), content);
  return { root: `${root}/`, files: ["a.ts"] };
}

test("a door that answers no more is noticed", async (context) => {
  const { port, standStill } = await door(context);
  standStill();
  await untilSilent({ port, signal: new AbortController().signal }, { silenceMs: 100 });
});

test("nobody minds a door that answers until there is no machine", async (context) => {
  const { port } = await door(context);
  const machine = new AbortController();
  const silent = untilSilent({ port, signal: machine.signal }, { silenceMs: 60_000 });
  await setImmediate();
  machine.abort();
  await silent;
});

test("a test that still runs when the machine ends is ended, and did not pass", async (context) => {
  const { port, said } = await door(context);
  const machine = new AbortController();
  const where = await testFile(context, `import { connect } from "node:net"; connect(${port}, "127.0.0.1").write("begun");`);
  const passed = runBeside({ ...where, port, environment: {}, signal: machine.signal });
  while (said.length === 0) await setImmediate();
  machine.abort();
  assert.equal(await passed, false);
});

test("a test beside the machine knows where its door is, and how it ended is said in there", async (context) => {
  const { port, said } = await door(context);
  const where = await testFile(context, `process.exitCode = process.env.ANTREA_TEST_MACHINE === "127.0.0.1:${port}" ? 0 : 1;`);
  assert.equal(await runBeside({ ...where, port, environment: {}, signal: new AbortController().signal }), true);
  while (said.length < 2) await setImmediate();
  assert.deepEqual(said.sort(), ['sh\necho "kernel-machine: a.ts ended with 0" >/dev/console\n', "sh\necho >/run/off\n"]);
});
