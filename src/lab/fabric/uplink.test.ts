import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { inNetns, run } from "../command.ts";
import { labPaths } from "../paths.ts";
import { apiNetwork } from "../spec.ts";
import { createFabric, deleteNetns, plugNode, unplugNode } from "./fabric.ts";
import { createUplink, removeUplink } from "./uplink.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const hostAddress = "169.254.111.1";

test("a node reaches the host by the uplink alone, and nothing of the uplink stays", {
  skip:
    process.getuid?.() !== 0
      ? "needs root"
      : readdirSync("/sys/class/net").some((name) => name.startsWith("antlab-")) && "a lab has the uplink",
}, async (t) => {
  const lab = `uplink-${process.pid % 100_000}`;
  const paths = labPaths(lab);
  const fabric = { netns: paths.fabricNetns, api: apiNetwork };
  const node = { fabric, netns: paths.node("node-1").netns, node: 1 };
  const before = hostState();
  mkdirSync(paths.root, { recursive: true });
  t.after(async () => {
    await removeUplink(lab);
    await unplugNode(node);
    await deleteNetns(fabric.netns);
    rmSync(paths.root, { recursive: true, force: true });
  });
  await createFabric(fabric);
  await plugNode({ ...node, uplink: "switch" });
  await createUplink({ lab, fabricNetns: fabric.netns });
  const server = createServer((socket) => void socket.on("error", () => {}).end("hello")).listen(0, hostAddress);
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const asking = inNetns(node.netns, process.execPath, [
    "--eval",
    `require("node:net").connect(${address.port}, "${hostAddress}").setTimeout(${amplePatience}, () => process.exit(1)).pipe(process.stdout)`,
  ]);
  assert.equal(await run(asking.command, asking.args), "hello");
  await assert.rejects(createUplink({ lab: "another", fabricNetns: fabric.netns }), { code: "INVALID_LAB_OPTION" });

  await removeUplink(lab);
  assert.deepEqual(hostState(), before);
});

/** What of the host's network an uplink changes. */
function hostState(): unknown {
  return {
    links: readdirSync("/sys/class/net").sort(),
    forwarding: ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].map((file) => readFileSync(`/proc/sys/net/${file}`, "utf8")),
  };
}
