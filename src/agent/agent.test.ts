import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";
import { patience } from "#lib/runtime/testing/patience.ts";

const run = promisify(execFile);
const limit = { timeout: patience(240_000) };
let agent: PrivateAgent;

before(async () => {
  agent = await createPrivateAgent("agent-boot");
});
after(() => agent.remove());

const isReady = async (): Promise<boolean> => (await agent.ask("/readyz")) === "ok";

test("boots, answers, annotates its Node and ends on SIGTERM", limit, async () => {
  agent.start();
  await agent.eventually(isReady);
  assert.equal(await agent.node.vsctl("get", "Interface", "antrea-gw0", "ofport"), "32769");
  const mac = (await agent.node.vsctl("get", "Interface", "antrea-gw0", "mac_in_use")).replaceAll('"', "");
  const annotated = async (): Promise<boolean> =>
    (await agent.node.exec("curl", "-s", "http://127.0.0.1:8001/api/v1/nodes/node-a")).includes(`"node.antrea.io/mac-address":"${mac}"`);
  await agent.eventually(annotated);
  assert.equal(await agent.stop("SIGTERM"), 0);
});

test("told to end in the middle of its start it closes what it has, and is not cut", limit, async () => {
  for (const moment of ["starting", "bridge is set up", "serving"]) {
    agent.logged.length = 0;
    agent.start();
    await agent.eventually(() => agent.logged.some(({ message }) => message === moment));
    assert.equal(await agent.stop("SIGTERM"), 0);
    const said = agent.logged.map(({ message }) => message);
    assert.ok(said.includes("stopping"));
    assert.ok(!said.includes("the end takes too long; what is still open is cut"), `behind "${moment}": ${said.join(", ")}`);
  }
});

test("a second start changes nothing in the database; a broken bridge is repaired", limit, async () => {
  agent.start();
  await agent.eventually(isReady);
  assert.equal(await agent.stop("SIGTERM"), 0);
  const before = await agent.node.vsctl("get", "Open_vSwitch", ".", "next_cfg");
  const bridge = await agent.node.vsctl("list", "Bridge");
  agent.start();
  await agent.eventually(isReady);
  assert.equal(await agent.node.vsctl("list", "Bridge"), bridge);
  assert.equal(await agent.node.vsctl("get", "Open_vSwitch", ".", "next_cfg"), before);
  await agent.node.vsctl("del-port", "antrea-tun0");
  await agent.eventually(async () => (await agent.node.vsctl("list-ports", "br-int")).includes("antrea-tun0"));
  assert.equal(await agent.stop("SIGTERM"), 0);
});

/** Whether a TCP connection gets an answer; nothing listens, so the answer is a reset by the pod itself. */
const reaches = async (namespace: string, address: string): Promise<boolean> => {
  const { stderr } = await run("ip", ["netns", "exec", namespace, "busybox", "nc", "-w", String(patience(2)), address, "80"]).catch(
    (error: { stderr: string }) => error,
  );
  return stderr.includes("refused");
};

test("pods are connected, keep their network while agent and switch restart, and leave nothing behind", {
  timeout: patience(240_000),
}, async () => {
  agent.start();
  await agent.eventually(isReady);
  const [web, db] = [await agent.addPod("web"), await agent.addPod("db")];
  const everybodyReaches = async (): Promise<boolean> => {
    const ways = db.addresses.flatMap((address) => [reaches(web.namespace, address), reaches(agent.node.namespace, address)]);
    return (await Promise.all(ways)).every(Boolean);
  };
  assert.equal(db.addresses.length, 2);
  assert.ok(await everybodyReaches());
  const listed = JSON.parse(await agent.ask("/podinterfaces?name=db")) as { ips: string[] }[];
  assert.deepEqual(listed[0]?.ips, db.addresses);
  const { ovsInfo } = JSON.parse(await agent.ask("/agentinfo")) as { ovsInfo: { version: string } };
  assert.match(ovsInfo.version, /^\d+\.\d+/);

  // What is in force is on disk half a second later; a crash in between costs flows that are made anew.
  await agent.eventually(async () => (await readFile(join(agent.runDir, "policies.snapshot"), "utf8")).includes(db.interfaceName));
  await agent.stop("SIGKILL");
  assert.ok(await everybodyReaches(), "without an agent");
  agent.logged.length = 0;
  agent.start();
  await agent.eventually(isReady);
  const compared = agent.logged.filter(({ message }) => message === "compared the switch with the desired flows");
  assert.deepEqual(
    compared.map(({ changes }) => changes),
    compared.map(() => 0),
    "a restart changes no flow",
  );
  assert.ok(await everybodyReaches(), "after a restart of the agent");

  await agent.node.killSwitch();
  await agent.node.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true");
  await agent.node.startSwitch();
  // Until then the kernel's datapath forwards on the ways that it had before.
  await agent.eventually(async () => (await agent.node.vsctl("get", "Open_vSwitch", ".", "other_config")) === "{}");
  await agent.eventually(everybodyReaches);

  await agent.deletePod("web");
  await agent.deletePod("db");
  assert.deepEqual((await agent.node.vsctl("list-ports", "br-int")).split("\n"), ["antrea-dns0", "antrea-gw0", "antrea-tun0"]);
  assert.deepEqual(JSON.parse(await agent.ask("/podinterfaces")), []);
  assert.equal(await agent.stop("SIGTERM"), 0);
});

test("an agent whose netlink thread ends does not live on as half of itself", limit, async () => {
  agent.logged.length = 0;
  agent.start({}, { preload: "end-threads-on-signal.ts" });
  await agent.eventually(isReady);
  const ending = agent.stop("SIGUSR2");
  const state = { ended: false };
  const noted = ending.finally(() => {
    state.ended = true;
  });
  // A thread that is ended waits in the kernel until something happens there.
  await agent.eventually(async () => {
    if (state.ended) return true;
    for (const what of ["add", "del"]) await agent.node.exec("ip", "address", what, "198.51.100.1/32", "dev", "lo");
    for (const what of ["add", "delete"]) await agent.node.exec("nft", what, "table", "ip", "stir");
    return state.ended;
  });
  await noted;
  assert.equal(await ending, 1);
  const told = (part: string): boolean => agent.logged.some((entry) => JSON.stringify(entry).includes(part));
  await agent.eventually(() => told("antrea-agent: netlink worker: ended"));
  assert.ok(told("the netlink thread ended: the agent ends too, to be started anew"));
});

test("a wrong configuration refuses the start with status 2 and one line", limit, async () => {
  agent.logged.length = 0;
  agent.start({ trafficEncapMode: "encaps" });
  await agent.eventually(() => agent.logged.length > 0);
  assert.equal(await agent.ended(), 2);
  assert.deepEqual(agent.logged, [
    {
      line: `antrea-agent: ${join(agent.node.directory, "antrea-agent.conf")}: trafficEncapMode: "encaps" is none of encap, noEncap, hybrid, networkPolicyOnly`,
    },
  ]);
  assert.ok(existsSync(agent.runDir));
});

test("a node without the transport interface says so and ends with status 1", limit, async () => {
  agent.logged.length = 0;
  agent.start({ transportInterface: "fabric7" });
  await agent.eventually(() => agent.logged.some(({ line }) => line !== undefined));
  assert.equal(await agent.ended(), 1);
  assert.match(
    String(agent.logged.at(-1)?.line),
    /^antrea-agent: no interface of this node is fabric7 with an address; set transportInterface/,
  );
});
