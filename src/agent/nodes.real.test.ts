import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { createPrivateAgent, nodeObject, type PrivateAgent } from "./testing/private-agent.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";

// Nodes join, leave, change and come back: a real agent on a real switch and kernel, its rows from an API.

let agent: PrivateAgent;
before(async () => {
  agent = await createPrivateAgent("agent-nodes");
});
after(async () => {
  for (const child of answering) child.kill("SIGKILL");
  for (const namespace of machines) await run("ip", ["netns", "del", namespace]);
  await agent?.remove();
});

const run = promisify(execFile);
const machines: string[] = [];
const answering: ChildProcess[] = [];
/** A pod of any of the other nodes: whoever has its block answers for it. */
const otherPod = "10.10.3.7";

/** Another machine on the node's wire, without agent and switch: it has {@link otherPod} itself, which answers TCP with the machine's address. */
async function addMachine(address: string): Promise<void> {
  const { namespace, exec } = agent.node;
  const machine = `${namespace}-${machines.length}`;
  const port = `to-${machines.length}`;
  await run("ip", ["netns", "add", machine]);
  machines.push(machine);
  if (machines.length === 1)
    for (const words of ["add wire type bridge", "set wire up", "set fabric master wire"]) await exec("ip", "link", ...words.split(" "));
  await exec("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine);
  await exec("ip", "link", "set", port, "up", "master", "wire");
  for (const words of [
    "link set lo up",
    "link set eth0 up",
    `address add ${address}/24 dev eth0`,
    `address add ${otherPod}/32 dev lo`,
    "route add 10.10.0.0/24 via 192.0.2.1",
  ])
    await run("ip", ["-n", machine, ...words.split(" ")]);
  const server = ["netns", "exec", machine, "busybox", "nc", "-ll", "-p", "80", "-e", "busybox", "echo", address];
  answering.push(spawn("ip", server, { stdio: "ignore" }));
}

/** Resolves when a pod here that connects to {@link otherPod} is answered by that machine. */
async function answeredBy(pod: string, address: string): Promise<void> {
  let last = "";
  const deadline = performance.now() + amplePatience;
  while (last !== address && performance.now() < deadline) {
    const asked = run("ip", ["netns", "exec", pod, "busybox", "nc", "-w", "1", otherPod, "80"]);
    last = await asked.then(
      ({ stdout }) => stdout.trim(),
      () => "nobody",
    );
  }
  assert.equal(last, address);
}

/** Everything that leads to other nodes: flows (`block tunnel endpoint`), routes, and blocks whose packets keep their source. */
async function ways(): Promise<{ readonly flows: string[]; readonly routes: string[]; readonly blocks: string[] }> {
  const dump = await agent.ask("/ovsflows?table=L3Forwarding");
  const flows = [...dump.matchAll(/(?:nw|ipv6)_dst=([0-9a-f.:]+\/\d+)[^"]*?->tun_(?:ipv6_)?dst/g)].map(([text, block]) => {
    const endpoint = /set_field:([0-9a-f.:]+)->tun_(?:ipv6_)?dst/.exec(text)?.[1];
    return `${block} ${endpoint}`;
  });
  const lines = await Promise.all(["-4", "-6"].map((family) => agent.node.exec("ip", family, "route", "show", "proto", "170")));
  const routes = lines.flatMap((text) =>
    [...text.matchAll(/^(\S+) via (\S+) dev (\S+)/gm)].map(([, block, hop, link]) => `${block} ${hop} ${link}`),
  );
  const nft = await agent.node.exec("nft", "list", "table", "inet", "antrea");
  const blocks = [...nft.matchAll(/[0-9a-f.:]+\/\d+(?=[,\s])/g)]
    .map(([block]) => block)
    .filter((block) => !/^(10\.10\.0\.|fd00:10::)/.test(block));
  return { flows: flows.sort(), routes: routes.sort(), blocks: [...new Set(blocks)].sort() };
}

async function becomes(wanted: {
  readonly flows: readonly string[];
  readonly routes: readonly string[];
  readonly blocks: readonly string[];
}): Promise<void> {
  let last: unknown;
  const deadline = performance.now() + amplePatience;
  while (performance.now() < deadline) {
    const asked = performance.now();
    last = await ways();
    if (JSON.stringify(last) === JSON.stringify(wanted)) return;
    // Ten processes ask: the agent is to have a turn as well.
    await wait(performance.now() - asked);
  }
  assert.deepEqual(last, wanted);
}

const isReady = async (): Promise<boolean> => (await agent.ask("/readyz")) === "ok";
const tunnelled = (block: string, address: string) => ({
  flows: [`${block} ${address}`],
  routes: [`${block} ${block.replace(/0\/24$/, "1")} antrea-gw0`],
  blocks: [block],
});

test("in tunnels: a node joins, changes address and block, leaves, comes back; its block is another's at once", {
  timeout: patience(240_000),
}, async () => {
  agent.start();
  await agent.eventually(isReady);
  await agent.deleteNode("node-b");
  await becomes({ flows: [], routes: [], blocks: [] });
  await agent.putNode(nodeObject("c", "192.0.2.3", "10.10.3.0/24"));
  await becomes(tunnelled("10.10.3.0/24", "192.0.2.3"));
  await agent.putNode(nodeObject("c", "192.0.2.33", "10.10.3.0/24"));
  await becomes(tunnelled("10.10.3.0/24", "192.0.2.33"));
  await agent.putNode(nodeObject("c", "192.0.2.33", "10.10.4.0/24"));
  await becomes(tunnelled("10.10.4.0/24", "192.0.2.33"));
  await agent.deleteNode("c");
  await agent.putNode(nodeObject("d", "192.0.2.4", "10.10.4.0/24"));
  await becomes(tunnelled("10.10.4.0/24", "192.0.2.4"));
  await agent.putNode(nodeObject("c", "192.0.2.5", "10.10.3.0/24"));
  await agent.deleteNode("d");
  await becomes(tunnelled("10.10.3.0/24", "192.0.2.5"));
});

test("routed: the same, and packets go to whom the block is at the moment; a node that moves behind a router has no route of ours any more; tunnels of before are gone", {
  timeout: patience(240_000),
}, async () => {
  await agent.stop("SIGTERM");
  agent.start({ trafficEncapMode: "noEncap" });
  await agent.eventually(isReady);
  const routed = (block: string, hop: string) => ({ flows: [], routes: [`${block} ${hop} eth0`], blocks: [block] });
  await becomes(routed("10.10.3.0/24", "192.0.2.5"));
  for (const address of ["192.0.2.5", "192.0.2.6", "192.0.2.7"]) await addMachine(address);
  const { namespace: pod } = await agent.addPod("web");
  await answeredBy(pod, "192.0.2.5");
  assert.doesNotMatch(await agent.node.vsctl("list-ports", "br-int"), /antrea-tun0/);
  await agent.putNode(nodeObject("c", "192.0.2.6", "10.10.3.0/24"));
  await becomes(routed("10.10.3.0/24", "192.0.2.6"));
  await answeredBy(pod, "192.0.2.6");
  await agent.putNode(nodeObject("c", "198.51.100.6", "10.10.3.0/24"));
  await becomes({ flows: [], routes: [], blocks: ["10.10.3.0/24"] });
  await answeredBy(pod, "nobody");
  await agent.deleteNode("c");
  await agent.putNode(nodeObject("e", "192.0.2.7", "10.10.3.0/24"));
  await becomes(routed("10.10.3.0/24", "192.0.2.7"));
  await answeredBy(pod, "192.0.2.7");
});

test("hybrid: who shares our link is routed, everybody else tunnelled; a move from one to the other takes both along", {
  timeout: patience(240_000),
}, async () => {
  await agent.stop("SIGTERM");
  agent.start({ trafficEncapMode: "hybrid" });
  await agent.eventually(isReady);
  await becomes({ flows: [], routes: ["10.10.3.0/24 192.0.2.7 eth0"], blocks: ["10.10.3.0/24"] });
  await agent.putNode(nodeObject("e", "198.51.100.7", "10.10.3.0/24"));
  await becomes(tunnelled("10.10.3.0/24", "198.51.100.7"));
  await agent.putNode(nodeObject("e", "192.0.2.7", "10.10.3.0/24"));
  await becomes({ flows: [], routes: ["10.10.3.0/24 192.0.2.7 eth0"], blocks: ["10.10.3.0/24"] });
});

test("the agent ends when its own node has other pod addresses", { timeout: patience(240_000) }, async () => {
  agent.logged.length = 0;
  await agent.putNode(nodeObject("node-a", "192.0.2.1", "10.10.9.0/24", "fd00:10::/64"));
  assert.equal(await agent.ended(), 1);
  assert.match(
    String(agent.logged.at(-1)?.line),
    /node node-a changed: its pod CIDRs are 10\.10\.9\.0\/24, fd00:10::\/64, were 10\.10\.0\.0\/24/,
  );
});
