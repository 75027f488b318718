import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";

const limit = { timeout: 20_000 };
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

test("a second start changes nothing in the database; a broken bridge is repaired", limit, async () => {
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
