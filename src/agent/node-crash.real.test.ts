import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { patience } from "#lib/runtime/testing/patience.ts";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";

// The database's server dies alone, and then everything of the node at once: the database on disk and the wires of pods that run on are what is left.

const run = promisify(execFile);
let agent: PrivateAgent;
before(async () => {
  agent = await createPrivateAgent("node-crash");
  agent.start();
  await agent.eventually(isReady);
});
after(() => agent?.remove());

const isReady = async (): Promise<boolean> => (await agent.ask("/readyz")) === "ok";

type Pod = Awaited<ReturnType<PrivateAgent["addPod"]>>;
/** Whether the node gets an answer by TCP from each address of the pod; nothing listens, so it is a reset by the pod itself. */
const answers = async ({ addresses }: Pod): Promise<boolean> => {
  const asked = addresses.map((address) =>
    agent.node.exec("busybox", "nc", "-w", "2", address, "80").then(
      () => false,
      ({ stderr }: { readonly stderr: string }) => stderr.includes("refused"),
    ),
  );
  return (await Promise.all(asked)).every(Boolean);
};
const ports = async (): Promise<string[]> => (await agent.node.vsctl("list-ports", "br-int")).split("\n").sort();

let stays: Pod;

test("ovsdb-server is killed: the agent says so, pods go on, and what was changed meanwhile is put back", {
  timeout: patience(240_000),
}, async () => {
  stays = await agent.addPod("stays");
  await agent.node.killDatabase();
  await agent.eventually(async () => (await agent.ask("/readyz")).includes("OVSDBConnectionUp"));
  await agent.node.startDatabase();
  await agent.node.vsctl("--no-wait", "set", "Bridge", "br-int", "fail_mode=standalone");
  await agent.eventually(async () => (await agent.node.vsctl("get", "Bridge", "br-int", "fail_mode")) === "secure");
  await agent.eventually(isReady);
  await agent.eventually(() => answers(stays));
  await agent.addPod("vanishes");
  assert.ok((await ports()).some((port) => port.startsWith("vanishes-")));
});

test("all of a node is killed: pods that run on are adopted, those that vanished are collected, their addresses kept back", {
  timeout: patience(240_000),
}, async () => {
  const [kept, gone] = [stays, JSON.parse(await agent.ask("/podinterfaces?name=vanishes")) as { ips: string[] }[]];
  await agent.stop("SIGKILL");
  await agent.node.killSwitch();
  await agent.node.killDatabase();
  await agent.losePod("vanishes");
  await agent.node.startDatabase();
  await agent.node.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true");
  await agent.node.startSwitch();
  assert.ok(!(await answers(kept)), "no packet before the policies are back");
  agent.start();
  await agent.eventually(isReady);
  await agent.eventually(() => answers(kept));
  await agent.eventually(async () => !(await ports()).some((port) => port.startsWith("vanishes-")));
  assert.deepEqual(await ports(), ["antrea-dns0", "antrea-gw0", "antrea-tun0", kept.interfaceName].sort());
  assert.equal((await run("ip", ["-n", agent.node.namespace, "link", "show", kept.interfaceName])).stderr, "");
  const next = await agent.addPod("next");
  assert.equal(gone[0]?.ips.length, 2);
  assert.ok(!next.addresses.some((address) => gone[0]?.ips.includes(address)), "an address of the vanished pod is given again at once");
  assert.ok(await answers(next));
});
