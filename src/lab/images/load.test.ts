import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { connectCri } from "#lib/cri/client.ts";
import { startContainerd } from "#lab/node/containerd.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { buildImage } from "./build.ts";
import { pauseReference } from "./catalogue.ts";
import { loadImages } from "./load.ts";
import { installImageStore } from "./store.ts";

const runtime = systemRuntime({ level: "error" });
const directory = mkdtempSync("/tmp/kl-load-");
after(() => rmSync(directory, { recursive: true }));

const suiteImages = ["agnhost:2.53", "busybox:1.37.0-1", "nonewprivs:1.4"].map((name) => `registry.k8s.io/e2e-test-images/${name}`);

test("a new node has the lab's images, shares their files, and takes others; what is no image is refused by name", {
  timeout: 240_000,
}, async () => {
  const roots = ["one", "two"].map((name) => `${directory}/${name}/root`);
  await Promise.all(roots.map((root) => installImageStore(runtime, { root })));
  const [one, two] = roots.map((root) => statSync(`${root}/io.containerd.metadata.v1.bolt/meta.db`).ino);
  assert.notEqual(one, two);
  const node = { directory: `${directory}/one`, cniConfDir: `${directory}/cni`, cniBinDir: `${directory}/bin`, pauseImage: pauseReference };
  const containerd = await startContainerd(runtime, node);
  const { socket } = containerd;
  const cri = connectCri({ clock: runtime.clock, socket });
  try {
    for (const reference of [pauseReference, "busybox", "networkstatic/iperf3", ...suiteImages])
      assert.notEqual((await cri.imageStatus({ image: { image: reference } })).image, undefined, reference);
    const entries = [{ kind: "file", path: "hello", content: Buffer.from("hello") }] as const;
    const archive = await buildImage({ name: "mine", tags: ["example.org/mine:1"], entries, config: {} }, directory);
    assert.deepEqual(await loadImages({ socket, archives: [archive] }), ["example.org/mine:1"]);
    writeFileSync(`${directory}/garbage.tar`, "garbage");
    await assert.rejects(
      loadImages({ socket, archives: [`${directory}/garbage.tar`] }),
      /garbage\.tar: unexpected EOF: give an image archive/,
    );
    await assert.rejects(loadImages({ socket, archives: ["/no/such.tar"] }), /\/no\/such\.tar: open \/no\/such\.tar: no such file/);
  } finally {
    cri.close();
    await containerd.stop();
  }
});
