import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parseAddress } from "#lib/ip/index.ts";
import { type Duration, seconds } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { createPacketNode, type PacketNode } from "../flows/testing/packet-node.ts";
import { trackedDestinations } from "./index.ts";
import { type FqdnAgent, holdTable, startFqdnAgent } from "./testing/fqdn-agent.ts";
import { startFqdnProcess } from "./testing/fqdn-agent-process.ts";

// client .2 asks dns .3 for names whose addresses are web .4, another .5, third .6 and fourth .7. The client may reach the DNS server, and *.shop.test; nothing else,
// and of these a tier drops denied.*.
const limit = { timeout: 240_000 };
/** Milliseconds after which what is dropped has not come. */
const silence = 700;
const families = [4, 6] as const;
const web = { 4: "10.10.0.4", 6: "fd00:10:0:0::4" } as const;
const dns = { 4: "10.10.0.3", 6: "fd00:10:0:0::3" } as const;
const other = "10.10.0.5";
const third = "10.10.0.6";
const fourth = "10.10.0.7";
const sixes = { other: "fd00:10::5", third: "fd00:10::6", fourth: "fd00:10::7" } as const;

let node: PacketNode;
let agent: FqdnAgent;
let client: ChildProcess;
const answers = new Map<string, (text: string) => void>();
let count = 1;

before(async () => {
  node = await createPacketNode("fqdn", ["client", "dns", "web", "another", "third", "fourth"]);
  const [clientPod, dnsPod, ...servers] = node.pods;
  assert.ok(clientPod && dnsPod);
  for (const pod of servers) pod.start("busybox", "httpd", "-f", "-p", "8080");
  for (const pod of servers) await pod.listens(8_080);
  const many = Array.from({ length: 6 }, () => other).join();
  const zone = [
    `api.shop.test=60,${web[4]},${web[6]}`,
    `big.shop.test=60,${many}`,
    `short.shop.test=1,${web[4]}`,
    `evil.test=60,${other}`,
    `denied.shop.test=60,${third}`,
    `new.shop.test=60,${fourth}`,
    `moving.shop.test=1,${fourth},${sixes.fourth}|1,${other},${sixes.other}`,
    `kept.shop.test=1,${sixes.third}|1,${sixes.other}`,
  ];
  const server = dnsPod.start(process.execPath, join(import.meta.dirname, "testing/dns-server.ts"), ...zone);
  await new Promise((resolve) => server.stdout?.once("data", resolve));
  await sendEachSynOnce(clientPod.networkNamespace);
  client = clientPod.start(process.execPath, join(import.meta.dirname, "testing/dns-client.ts"));
  assert.ok(client.stdout);
  createInterface({ input: client.stdout }).on("line", (line) => {
    const [id = "", ...text] = line.split(" ");
    answers.get(id)?.(text.join(" "));
  });
  agent = await start();
}, limit);
after(async () => {
  await agent?.end();
  await node?.remove();
});

const start = (minTtl?: Duration): Promise<FqdnAgent> =>
  startFqdnAgent({
    node,
    minTtl,
    subjects: ["client"],
    open: families.map((family) => dns[family]),
    names: ["*.Shop.test"],
    dropped: ["denied.*"],
    holdFor: amplePatience,
  });

type Protocol = "udp" | "tcp" | "connect";
/** What is open is so however late the answer comes. */
const ask = (protocol: Protocol, name: string, family: 4 | 6, port: number, server: string = dns[family]): Promise<string> =>
  request([protocol, server, name, family, port, amplePatience]);
/** The same for what is closed. */
const askInVain = (protocol: Protocol, name: string, family: 4 | 6, port: number, server: string = dns[family]): Promise<string> =>
  request([protocol, server, name, family, port, silence]);

function request(words: readonly (string | number)[]): Promise<string> {
  const id = String(count++);
  return new Promise((resolve) => {
    answers.set(id, resolve);
    client.stdin?.write(`${[id, ...words].join(" ")}\n`);
  });
}

/** A SYN that is sent again, as the first was lost, does not leave the pod: what opens a way only then is closed. */
async function sendEachSynOnce(namespace: string): Promise<void> {
  const rules = (
    [
      ["ip", "ipv4_addr"],
      ["ip6", "ipv6_addr"],
    ] as const
  ).map(
    ([family, type]) => `table ${family} once {
  set sent { type inet_service . ${type} . inet_service; flags dynamic; }
  chain out {
    type filter hook output priority 0
    tcp flags & (syn | ack) == syn tcp sport . ${family} daddr . tcp dport @sent drop
    tcp flags & (syn | ack) == syn add @sent { tcp sport . ${family} daddr . tcp dport }
  }
}`,
  );
  await promisify(execFile)("ip", ["netns", "exec", namespace, "nft", rules.join("\n")]);
}

/** A verdict of a moment ago is in the switch's cache, which follows its flows some milliseconds late: docs/design/fqdn.md. */
const forgetVerdicts = (): Promise<unknown> => node.ovs.appctl("revalidator/purge");

test("an address of a name is open with the answer that tells it, and not before", limit, async () => {
  for (const family of families) assert.equal(await askInVain("connect", "-", family, 8_080, web[family]), "closed");
  await forgetVerdicts();
  for (const family of families) assert.equal(await ask("udp", "API.shop.TEST", family, 8_080), `ok ${parseAddress(web[family])}`);
  const [row] = agent.fqdn.rows("api.*");
  assert.deepEqual(
    row?.addresses.map(({ address }) => String(address)),
    families.map((family) => String(parseAddress(web[family]))),
  );
  const learned = row?.addresses[0]?.learned;
  assert.ok(learned?.by === "pod" && learned.pod === "shop/client" && learned.server === dns[4] && learned.ttl === 60);
});

test("over TCP, in segments, and after a cut answer over UDP as well", limit, async () => {
  assert.equal(await ask("tcp", "short.shop.test", 4, 8_080), `ok ${web[4]}`);
  assert.equal(await ask("udp", "big.shop.test", 4, 8_080), `ok ${other}`);
});

test("a name of no rule is resolved and stays closed; one that does not exist says so", limit, async () => {
  assert.equal(await ask("udp", "nowhere.shop.test", 4, 8_080), "none");
  assert.match(await ask("udp", "evil.test", 4, 0), /^ok /);
  assert.deepEqual(agent.fqdn.rows("evil.test"), []);
});

test("the first connection to a name that is dropped does not slip through, while a later rule would allow it", limit, async () => {
  assert.equal(await askInVain("udp", "denied.shop.test", 4, 8_080), `closed ${third}`);
  assert.equal(await askInVain("connect", "-", 4, 8_080, third), "closed");
  assert.equal(await ask("udp", "api.shop.test", 4, 8_080), `ok ${web[4]}`);
});

/** Resolves when the records that were told of a name are over, whatever was made of that. */
async function recordsOver(name: string): Promise<void> {
  const over = (): boolean =>
    agent.fqdn.rows(name).every(({ addresses }) => addresses.every(({ learned }) => learned.at + learned.ttl * 1_000 < Date.now()));
  while (!over()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("E.4-147: a record that moved when its time was over takes its old address with it", limit, async () => {
  for (const [family, address] of [
    [4, fourth],
    [6, sixes.fourth],
  ] as const)
    assert.equal(await ask("udp", "moving.shop.test", family, 8_080), `ok ${address}`);
  await recordsOver("moving.shop.test");
  for (const [family, before, after] of [
    [4, fourth, other],
    [6, sixes.fourth, sixes.other],
  ] as const) {
    assert.equal(await ask("udp", "moving.shop.test", family, 8_080), `ok ${after}`);
    await agent.flows.whenInForce();
    await forgetVerdicts();
    assert.equal(await askInVain("connect", "-", family, 8_080, before), "closed");
  }
});

test("E.4-147: not so within fqdnCacheMinTTL", limit, async () => {
  await agent.end();
  agent = await start(seconds(600));
  assert.equal(await ask("udp", "kept.shop.test", 6, 8_080), `ok ${sixes.third}`);
  await recordsOver("kept.shop.test");
  assert.equal(await ask("udp", "kept.shop.test", 6, 8_080), `ok ${sixes.other}`);
  await agent.flows.whenInForce();
  await forgetVerdicts();
  const addresses = agent.fqdn.rows("kept.shop.test").flatMap((row) => row.addresses);
  assert.deepEqual(addresses.map(({ address }) => String(address)).sort(), [sixes.other, sixes.third]);
  assert.equal(await ask("connect", "-", 6, 8_080, sixes.third), "ok");
  await agent.end();
  agent = await start();
});

test("the switch's tracker tells whom connections lead to", limit, async () => {
  // The tracker forgets datagrams after half a minute.
  for (const family of families) assert.match(await ask("udp", "api.shop.test", family, 0), /^ok /);
  const look = trackedDestinations({ control: (command, args = []) => node.ovs.appctl(command, ...args) });
  const found = new Set([...(await look())].map(String));
  for (const family of families) assert.ok(found.has(String(parseAddress(dns[family]))), [...found].join(" "));
});

test("a stock resolver gets its answers", limit, async () => {
  const [pod] = node.pods;
  assert.equal(await pod?.succeeds("busybox", "nslookup", "-type=a", "api.shop.test", dns[4]), true);
});

test("an agent that ends lets answers pass at once; the next one knows the names", limit, async () => {
  await agent.end();
  for (let turn = 0; turn < 5; turn++) assert.match(await ask("udp", "api.shop.test", 4, 8_080), /^ok /);
  agent = await start();
  assert.deepEqual(
    agent.fqdn.rows().map(({ name }) => name),
    ["api.shop.test", "big.shop.test", "denied.shop.test", "kept.shop.test", "moving.shop.test", "short.shop.test"],
  );
  assert.match(await ask("udp", "api.shop.test", 4, 8_080), /^ok /);
});

test("an agent that is killed lets answers pass at once: long before its flows lapse", limit, async () => {
  await agent.end();
  const open = families.map((family) => dns[family]);
  const child = await startFqdnProcess({ node, names: ["*.shop.test"], open, subjects: ["client"] });
  assert.match(await ask("udp", "api.shop.test", 4, 8_080), /^ok /);
  assert.match(await ask("udp", "api.shop.test", 6, 8_080), /^ok /);
  child.kill("SIGKILL");
  let answered = false;
  while (!answered) {
    void ask("udp", "api.shop.test", 4, 0).then((text) => {
      answered ||= text.startsWith("ok ");
    });
    assert.match(await node.ovs.ofctl("dump-flows", "br0", holdTable), /pause/);
  }
  // What the rules do not know stays closed, though its answer passed.
  assert.match(await askInVain("udp", "new.shop.test", 4, 8_080), /^closed /);
  // The program's flows were made to outlast this test.
  await node.ovs.ofctl("del-flows", "br0", holdTable);
  agent = await start();
  await forgetVerdicts();
  assert.match(await ask("udp", "new.shop.test", 4, 8_080), /^ok /);
});

test("an agent that dies lets answers pass when its flow has lapsed", limit, async () => {
  agent.kill();
  while ((await node.ovs.ofctl("dump-flows", "br0", holdTable)).includes("pause"));
  assert.match(await ask("udp", "api.shop.test", 4, 8_080), /^ok /);
});
