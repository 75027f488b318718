import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createNetlink, type Netlink } from "#lib/netlink/index.ts";
import { silentLogger } from "#lib/runtime/index.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { quarantineTime } from "./cni/quarantine.ts";
import { ask, cniRequest } from "./cni/testing/request.ts";
import { differing, pictureOf, settledPicture } from "./testing/picture.ts";
import { createPrivateAgent, nodeObject, type PrivateAgent } from "./testing/private-agent.ts";

// Pods come and go at the agent's CNI socket, 50 a second, each with its own tracked connections. At the end nothing of them is left.

/** `CHURN_SECONDS=60` for more. */
const seconds = Number(process.env.CHURN_SECONDS ?? 4);
const perSecond = 50;
/** Pods that are there at once: each lives for a second. */
const alive = perSecond;
/** Enough that no address is needed twice within its quarantine, and no more. */
const blockBits = Math.ceil(Math.log2(perSecond * Math.min(seconds, quarantineTime / 1_000) + 2 * alive + 3));
/** What compiled code and warm caches of the agent may take: a twentieth of a page for each of 3 000 pods would be more. */
const heapSlack = 6 * 2 ** 20;

let agent: PrivateAgent;
let netlink: Netlink;
const namespaces: string[] = [];
before(async () => {
  netlink = createNetlink({ runtime: { logger: silentLogger } });
  agent = await createPrivateAgent("agent-churn");
  const self = nodeObject("node-a", "192.0.2.1", `10.64.0.0/${32 - blockBits}`, "fd00:10::/64");
  await agent.eventually(() => agent.putNode(self).then(() => true));
  for (let number = 0; number < 2 * alive; number++) {
    const path = `/run/netns/${agent.node.namespace}-${number}`;
    await (await netlink.create({ path })).close();
    namespaces.push(path);
  }
  agent.start({}, { preload: "tell-heap.ts" });
  await agent.eventually(async () => (await agent.ask("/readyz")) === "ok");
});
after(async () => {
  for (const path of namespaces) await netlink?.remove(path);
  await netlink?.close();
  await agent?.remove();
});

test(`${seconds} seconds of ${perSecond} pods a second leave nothing behind and no address in the wrong hands`, {
  timeout: patience(240_000 + seconds * 3_000),
}, async (context) => {
  // What the first pods bring along for good is no leak.
  await churn(alive);
  const right = await settledPicture(agent);
  const links = await agent.node.exec("ip", "-br", "link");
  const files = openFiles();
  const heap = await heapBytes();

  const { took, early } = await churn(seconds * perSecond);
  context.diagnostic(`${seconds * perSecond} pods in ${(took / 1_000).toFixed(1)} s`);
  assert.deepEqual(early, [], "addresses given again within their quarantine");

  const giveUp = AbortSignal.timeout(amplePatience);
  for (let seen = await pictureOf(agent); seen !== right; seen = await pictureOf(agent))
    if (giveUp.aborted) assert.fail(`left over:\n${differing(right, seen)}`);
  assert.equal(await agent.node.exec("ip", "-br", "link"), links);
  assert.deepEqual(JSON.parse(await agent.ask("/podinterfaces")), []);
  // A switch that is so busy that it takes no change for 5 s keeps what it tracks until that times out, and the agent says so.
  if (agent.logged.some(({ message }) => message === "tracked connections of a removed pod stay until they time out"))
    await agent.eventually(async () => (await tracked()).length === 0);
  assert.deepEqual(await tracked(), []);
  assert.deepEqual(openFiles(), files);
  const grown = (await heapBytes()) - heap;
  context.diagnostic(`heap of the agent: ${(heap / 2 ** 20).toFixed(1)} MiB, ${(grown / 2 ** 20).toFixed(1)} more after all`);
  assert.ok(grown < heapSlack, `the agent holds ${grown} bytes more`);
});

interface Churned {
  readonly took: number;
  /** Addresses that a pod got before their quarantine was over. */
  readonly early: readonly string[];
}

/** Makes `count` pods, each deleted a second after the next ones began, in namespaces that are used again and again. */
async function churn(count: number): Promise<Churned> {
  const greeter = startGreeter();
  const free = namespaces.slice();
  const freed = new Map<string, number>();
  const early: string[] = [];
  const started = performance.now();
  const live = async (number: number, netns: string): Promise<void> => {
    const pod = {
      containerId: `${started}-${number}`,
      netns,
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=pod-${number}`,
    };
    const socket = join(agent.runDir, "cni.sock");
    const added = await ask(socket, cniRequest("ADD", pod));
    assert.ok("result" in added, JSON.stringify(added));
    const addresses = (added.result as { ips: { address: string }[] }).ips.map(({ address }) => address.split("/")[0] ?? "");
    const now = performance.now();
    for (const address of addresses) if (now - (freed.get(address) ?? -quarantineTime) < quarantineTime) early.push(address);
    greeter.greet(addresses);
    await wait(1_000);
    for (const address of addresses) freed.set(address, performance.now());
    assert.deepEqual(await ask(socket, cniRequest("DEL", pod)), { result: {} });
    free.push(netns);
  };
  const lives: Promise<void>[] = [];
  const failed = new AbortController();
  try {
    for (let number = 0; number < count && !failed.signal.aborted; number++) {
      const due = started + (number * 1_000) / perSecond;
      if (due > performance.now()) await wait(due - performance.now());
      while (free.length === 0 && !failed.signal.aborted) await wait(1);
      const ended = live(number, free.pop() ?? "");
      ended.catch((error: unknown) => failed.abort(error));
      lives.push(ended);
    }
    await Promise.all(lives);
  } finally {
    await greeter.stop();
  }
  return { took: performance.now() - started, early };
}

/** Sends a datagram from the node to each address it is told, which makes a tracked connection. */
function startGreeter(): { greet(addresses: readonly string[]): void; stop(): Promise<void> } {
  const shell = spawn(
    "ip",
    ["netns", "exec", agent.node.namespace, "bash", "-c", "while read -r address; do echo hello > /dev/udp/$address/9; done"],
    { stdio: ["pipe", "ignore", "ignore"] },
  );
  const ended = new Promise<void>((resolve) => shell.once("exit", () => resolve()));
  return {
    greet: (addresses) => void shell.stdin.write(addresses.map((address) => `${address}\n`).join("")),
    stop() {
      shell.stdin.end();
      return ended;
    },
  };
}

/** Connections of pods' addresses that the switch still tracks, those of ICMP aside, which nobody admits anything for. */
async function tracked(): Promise<string[]> {
  const dump = await agent.node.exec("ovs-appctl", "-t", switchControl(), "dpctl/dump-conntrack");
  return dump.split("\n").filter((line) => /^(?:tcp|udp)/.test(line) && /(?:src|dst)=(?:10\.64\.|fd00:10::)/.test(line));
}

const switchPid = (): number => Number(readFileSync(join(agent.node.ovsRunDir, "ovs-vswitchd.pid"), "utf8"));
const switchControl = (): string => join(agent.node.ovsRunDir, `ovs-vswitchd.${switchPid()}.ctl`);

/** How many files and sockets agent and switch have open; without connections to the API, which are kept for the next request. */
function openFiles(): { readonly agent: number; readonly switch: number } {
  const tcp = readFileSync(`/proc/${agent.pid}/net/tcp`, "utf8");
  const count = (pid: number | undefined): number =>
    readdirSync(`/proc/${pid}/fd`).filter((number) => {
      const socket = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${number}`))?.[1];
      return socket === undefined || !tcp.includes(` ${socket} `);
    }).length;
  return { agent: count(agent.pid), switch: count(switchPid()) };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "closed meanwhile";
  }
}

async function heapBytes(): Promise<number> {
  const told = (): number[] => agent.logged.flatMap(({ message, usedBytes }) => (message === "heap" ? [Number(usedBytes)] : []));
  const before = told().length;
  process.kill(agent.pid ?? 0, "SIGUSR2");
  await agent.eventually(() => told().length > before);
  return told().at(-1) ?? Number.NaN;
}
