import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createNetlink } from "#lib/netlink/index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { silentLogger } from "#lib/runtime/index.ts";
import { answeredWays } from "./answered-ways.ts";
import { createPrivateNode, type PrivateNode } from "./private-node.ts";

// A pod that tries on a switch of its own: one address answers, one does not, one is open by mistake.

const run = promisify(execFile);
const pods = ["from", "marker", "closed", "leak"] as const;
type PodName = (typeof pods)[number];
const addressOf = (pod: PodName, family: 4 | 6 = 4): string => `${family === 4 ? "10.99.0." : "fd00:99::"}${pods.indexOf(pod) + 1}`;
const netlink = createNetlink({ runtime: { logger: silentLogger } });
let node: PrivateNode;
const namespaceOf = (pod: PodName): string => `${node.namespace}-${pod}`;

before(async () => {
  node = await createPrivateNode("answered");
  await node.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", `datapath_type=${testDatapath}`);
  for (const pod of pods) {
    const inPod = (...args: string[]) => run("ip", ["-n", namespaceOf(pod), ...args]);
    await run("ip", ["netns", "add", namespaceOf(pod)]);
    await node.exec("ip", "link", "add", pod, "type", "veth", "peer", "name", "eth0", "netns", namespaceOf(pod));
    await node.exec("ip", "link", "set", pod, "up");
    await inPod("link", "set", "eth0", "up");
    // What the device was to compute is missing where user space forwards.
    const inside = await netlink.open(`/run/netns/${namespaceOf(pod)}`);
    await inside.setOffload("eth0", "txChecksum", false);
    await inside.close();
    for (const [family, bits] of [
      [4, 24],
      [6, 64],
    ] as const)
      await inPod("address", "add", `${addressOf(pod, family)}/${bits}`, "dev", "eth0", ...(family === 6 ? ["nodad"] : []));
    await node.vsctl("add-port", "br0", pod);
  }
  for (const family of ["tcp", "tcp6"])
    await node.exec(
      "ovs-ofctl",
      "add-flow",
      `unix:${join(node.ovsRunDir, "br0.mgmt")}`,
      `priority=100,${family},${family === "tcp" ? "nw_dst" : "ipv6_dst"}=${addressOf("closed", family === "tcp" ? 4 : 6)},actions=drop`,
    );
});
after(async () => {
  for (const pod of pods) await run("ip", ["netns", "del", namespaceOf(pod)]).catch(() => {});
  await node?.remove();
  await netlink.close();
});

const ways = (tried: readonly PodName[], family: 4 | 6 = 4) => ({
  from: namespaceOf("from"),
  tried: tried.map((pod) => addressOf(pod, family)),
  marking: [addressOf("marker", family)],
});

for (const family of [4, 6] as const)
  test(`what answers is told from what does not, over IPv${family}`, async () => {
    assert.deepEqual(await answeredWays(ways(["closed", "leak"], family)), [addressOf("leak", family)]);
    assert.deepEqual(await answeredWays(ways(["closed"], family)), []);
  });

test("an answer that takes longer than a second is one all the same", async () => {
  const pid = Number(await readFile(join(node.ovsRunDir, "ovs-vswitchd.pid"), "utf8"));
  process.kill(pid, "SIGSTOP");
  const answered = answeredWays(ways(["closed", "leak"]));
  try {
    // The second of the packets that begin a connection goes a second after the first.
    const again = async (): Promise<number> => {
      const { stdout } = await run("ip", ["netns", "exec", namespaceOf("from"), "ss", "-Htno", "state", "syn-sent"]);
      return [...stdout.matchAll(/timer:\(on,[^,]*,[1-9]/g)].length;
    };
    while ((await again()) < 2);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  assert.deepEqual(await answered, [addressOf("leak")]);
});
