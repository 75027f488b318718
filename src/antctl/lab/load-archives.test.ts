import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { askControl, serveControl } from "#lab/control-server.ts";
import { LabNotRunning } from "#lab/errors.ts";
import { createProgram } from "../program.ts";
import { loadArchives } from "./load-archives.ts";

/** What is told of `archives` by a lab that cannot load `broken.tar`, nor `empty.tar`, of which it tells the name itself. */
async function told(context: TestContext, ...archives: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), "load-archives-"));
  const socket = join(folder, "control.sock");
  const server = await serveControl({
    socket,
    async handle({ archive = "" }) {
      if (archive === "broken.tar") throw new Error("unexpected EOF");
      if (archive === "empty.tar") throw new Error("empty.tar: has no images");
      return { images: [`example.org/${archive}:1`] };
    },
  });
  context.after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  const printed: string[] = [];
  const complaints: string[] = [];
  await loadArchives({
    archives,
    async load(archive) {
      const answer = (await askControl({ socket, lab: "lab", ask: { action: "image-load", archive } })) as { images: readonly string[] };
      return answer.images;
    },
    print: (line) => void printed.push(line),
    complain: (line) => void complaints.push(line),
  });
  return { printed, complaints };
}

test("every archive is loaded, and each has its line", async (context) => {
  const printed = ["loaded: example.org/one:1", "loaded: example.org/two:1"];
  assert.deepEqual(await told(context, "one", "two"), { printed, complaints: [] });
});

test("of one that fails its name is told, once, and the others are loaded all the same", async (context) => {
  assert.deepEqual(await told(context, "one", "broken.tar", "two", "empty.tar"), {
    printed: ["loaded: example.org/one:1", "loaded: example.org/two:1"],
    complaints: ["broken.tar: unexpected EOF", "empty.tar: has no images"],
  });
});

test("that there is no lab is told once", async () => {
  const complaints: string[] = [];
  const load = (): Promise<never> => Promise.reject(new LabNotRunning("lab"));
  const complain = (line: string): void => void complaints.push(line);
  await assert.rejects(loadArchives({ archives: ["one", "two"], load, print: () => {}, complain }), LabNotRunning);
  assert.deepEqual(complaints, []);
});

test("the command takes several, and says so", () => {
  const [load] = ["lab", "image", "load"].reduce(
    (commands, name) => commands.filter((each) => each.name() === name).flatMap((each) => (name === "load" ? [each] : [...each.commands])),
    [...createProgram({}).commands],
  );
  assert.match(load?.helpInformation() ?? "", /load \[options\] <archives\.\.\.>/);
});
