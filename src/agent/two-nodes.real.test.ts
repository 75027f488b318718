import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { encodeGroup, encodeNetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { policy, rule } from "./testing/policies.ts";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";

// Two nodes, a tunnel between them, one policy and one restart, on the kernel's datapath: `npm run test:kernel`.

const run = promisify(execFile);
const skip = testDatapath === "system" ? false : "needs the kernel module openvswitch; `npm run test:kernel` starts a kernel that has it";

/** The first pod of node-b, which the policy names before there is one. */
const client = { pod: { namespace: "shop", name: "client" }, ips: ["10.10.1.2", "fd00:11::2"].map(parseAddress), ports: [] };
const web = { pod: { namespace: "shop", name: "web" }, ips: [], ports: [] };
const controlplane = {
  appliedtogroups: [encodeGroup("appliedtogroups", { name: "subjects", uid: "subjects", members: [web] })],
  addressgroups: [encodeGroup("addressgroups", { name: "clients", uid: "clients", members: [client] })],
  networkpolicies: [encodeNetworkPolicy(policy("web", { rules: [rule({ peer: { ...nothing, addressGroups: ["clients"] } })] }))],
};

let a: PrivateAgent;
let b: PrivateAgent;
before(async () => {
  if (skip) return;
  a = await createPrivateAgent("two-a", { controlplane });
  b = await createPrivateAgent("two-b", { nodeName: "node-b", connectedTo: a });
});
after(async () => {
  await b?.remove();
  await a?.remove();
});

/** Whether a TCP connection gets an answer; nothing listens, so the answer is a reset by the pod itself. */
async function reaches(from: string, address: string, seconds: number): Promise<boolean> {
  const asked = run("ip", ["netns", "exec", from, "busybox", "nc", "-w", `${seconds}`, address, "80"]);
  return asked.then(
    () => false,
    ({ stderr }: { readonly stderr: string }) => stderr.includes("refused"),
  );
}

const isReady = (agent: PrivateAgent) => async (): Promise<boolean> => (await agent.ask("/readyz")) === "ok";
const longWait = patience(3_000) / 1_000;
const shortWait = 1;

type Pod = Awaited<ReturnType<PrivateAgent["addPod"]>>;
let pods: { readonly known: Pod; readonly stranger: Pod; readonly server: Pod; readonly other: Pod };

/** Every way between the pods and from a node is as the policy says. */
async function right(when: string): Promise<void> {
  const { known, stranger, server, other } = pods;
  for (const address of server.addresses) {
    assert.ok(await reaches(known.namespace, address, longWait), `${when}: client to ${address}`);
    assert.ok(!(await reaches(stranger.namespace, address, shortWait)), `${when}: stranger to ${address}`);
    assert.ok(!(await reaches(other.namespace, address, shortWait)), `${when}: other to ${address}`);
  }
  for (const address of [...stranger.addresses, ...other.addresses])
    assert.ok(await reaches(server.namespace, address, longWait), `${when}: web to ${address}`);
  for (const address of [...known.addresses, ...other.addresses])
    assert.ok(await reaches(a.node.namespace, address, longWait), `${when}: node-a to ${address}`);
}

test("pods of two nodes reach each other as their policies say, also while an agent is away and back again", {
  skip,
  timeout: patience(60_000),
}, async () => {
  for (const agent of [a, b]) agent.start();
  for (const agent of [a, b]) await agent.eventually(isReady(agent));
  const known = await b.addPod("client");
  assert.deepEqual(known.addresses, client.ips.map(String));
  pods = { known, stranger: await b.addPod("stranger"), server: await a.addPod("web"), other: await a.addPod("other") };
  await right("at first");
  await a.stop("SIGKILL");
  await right("without its agent");
  a.logged.length = 0;
  a.start();
  await a.eventually(isReady(a));
  const compared = a.logged.filter(({ message }) => message === "compared the switch with the desired flows");
  assert.deepEqual(
    compared.map(({ changes }) => changes),
    compared.map(() => 0),
    "a restart changes no flow",
  );
  await right("after the restart");
});

/** The nodes have IPv4 addresses alone, so `hybrid` routes IPv4 and tunnels IPv6; `noEncap` would carry IPv4 alone. */
const otherModes = [{ tunnelType: "vxlan" }, { tunnelType: "gre" }, { trafficEncapMode: "hybrid" }];

for (const mode of otherModes)
  test(`the same pods, with ${Object.entries(mode).flat().join(" ")}`, { skip, timeout: patience(60_000) }, async () => {
    for (const agent of [a, b]) {
      await agent.stop("SIGTERM");
      agent.logged.length = 0;
      agent.start(mode);
    }
    for (const agent of [a, b]) {
      // Not what the one before said: its token is gone, and so is what it served.
      await agent.eventually(() => agent.logged.some(({ message }) => message === "policies are in force"));
      await agent.eventually(isReady(agent));
    }
    await right(JSON.stringify(mode));
  });
