import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { buildImage } from "./build.ts";
import { type ImageDefinition, tagged } from "./definition.ts";

const directory = mkdtempSync("/tmp/lab-images-");
after(() => rmSync(directory, { recursive: true }));

const deep = `opt/${"long-directory-name/".repeat(6)}file`;
const image = (greeting: string): ImageDefinition => ({
  name: "sample (test)",
  tags: tagged("example.org/sample", ["1"]),
  entries: [
    { kind: "file", path: "bin/hello", mode: 0o755, content: Buffer.from(greeting) },
    { kind: "symlink", path: "bin/link", target: "/bin/hello" },
    { kind: "directory", path: "tmp", mode: 0o1777 },
    { kind: "file", path: deep, content: { from: `${directory}/source` } },
  ],
  config: { entrypoint: ["/bin/hello"], environment: { A: "b" } },
});

test("tar reads the archive and its layer as they were declared", async () => {
  writeFileSync(`${directory}/source`, "from the machine");
  const path = await buildImage(image("hello"), directory);
  const tar = (archive: string, ...args: string[]) => execFileSync("tar", ["-f", archive, ...args], { cwd: directory, encoding: "utf8" });
  tar(path, "-x");
  const index = JSON.parse(readFileSync(`${directory}/index.json`, "utf8"));
  assert.deepEqual(
    index.manifests.map((entry: { annotations: unknown }) => entry.annotations),
    ["1", "lab-stand-in"].map((tag) => ({ "io.containerd.image.name": `example.org/sample:${tag}` })),
  );
  const blob = (digest: string) => `${directory}/blobs/${digest.replace(":", "/")}`;
  const manifest = JSON.parse(readFileSync(blob(index.manifests[0].digest), "utf8"));
  const listing = tar(blob(manifest.layers[0].digest), "-tv").replaceAll(/ +/g, " ");
  assert.match(listing, /^drwxr-xr-x 0\/0 0 1970-01-01 00:00 bin\/$/m);
  assert.match(listing, /^-rwxr-xr-x 0\/0 5 1970-01-01 00:00 bin\/hello$/m);
  assert.match(listing, /^lrwxrwxrwx 0\/0 0 1970-01-01 00:00 bin\/link -> \/bin\/hello$/m);
  assert.match(listing, /^drwxrwxrwt 0\/0 0 1970-01-01 00:00 tmp\/$/m);
  assert.equal(tar(blob(manifest.layers[0].digest), "-xO", deep), "from the machine");
});

test("a variant has its own tags and settings, and the same layer in the same archive", async () => {
  writeFileSync(`${directory}/source`, "from the machine");
  const path = await buildImage(
    { ...image("twice"), variants: [{ tags: ["example.org/other:2"], config: { entrypoint: ["/other"] } }] },
    directory,
  );
  const read = (file: string) => JSON.parse(execFileSync("tar", ["-xOf", path, file], { encoding: "utf8" }));
  const blob = (digest: string): string => `blobs/${digest.replace(":", "/")}`;
  const { manifests } = read("index.json");
  const [first, other] = [manifests[0], manifests.at(-1)].map((entry) => read(blob(entry.digest)));
  assert.equal(manifests.at(-1).annotations["io.containerd.image.name"], "example.org/other:2");
  assert.deepEqual(read(blob(other.config.digest)).config.Entrypoint, ["/other"]);
  assert.deepEqual(other.layers, first.layers);
  assert.equal(execFileSync("tar", ["-tf", path], { encoding: "utf8" }).match(/blobs\/sha256\/.+/g)?.length, 5);
});

test("equal definitions give one archive, other content another", async () => {
  writeFileSync(`${directory}/source`, "from the machine");
  const first = await buildImage(image("hello"), directory);
  const bytes = readFileSync(first);
  rmSync(first);
  assert.equal(await buildImage(image("hello"), directory), first);
  assert.deepEqual(readFileSync(first), bytes);
  assert.notEqual(await buildImage(image("good day"), directory), first);
});

test("a missing source names image and file", async () => {
  const broken: ImageDefinition = { ...image("x"), entries: [{ kind: "file", path: "a", content: { from: "/no/such/file" } }] };
  await assert.rejects(buildImage(broken, directory), /image sample \(test\): .*\/no\/such\/file/);
});
