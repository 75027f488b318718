import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodeGroup, encodeNetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { answeredWays, reaches } from "./testing/answered-ways.ts";
import { policy, rule } from "./testing/policies.ts";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";

// networkPolicyOnly: pods of another plugin, in both families. In user space `e2e/modes` has them, on a lab; `CHAINED=1` runs it there too.

const skip = process.env.CHAINED === undefined && withoutKernel;

const addresses = {
  web: { 4: "10.77.0.2", 6: "fd00:77::2" },
  client: { 4: "10.77.0.3", 6: "fd00:77::3" },
  stranger: { 4: "10.77.0.4", 6: "fd00:77::4" },
} as const;
type PodName = keyof typeof addresses;
const pod = (name: PodName) => ({ namespace: "shop", name });
const controlplane = {
  appliedtogroups: [
    encodeGroup("appliedtogroups", { name: "subjects", uid: "subjects", members: [{ pod: pod("web"), ips: [], ports: [] }] }),
  ],
  addressgroups: [
    encodeGroup("addressgroups", {
      name: "clients",
      uid: "clients",
      members: [{ pod: pod("client"), ips: Object.values(addresses.client).map(parseAddress), ports: [] }],
    }),
  ],
  networkpolicies: [encodeNetworkPolicy(policy("web", { rules: [rule({ peer: { ...nothing, addressGroups: ["clients"] } })] }))],
};

let agent: PrivateAgent;
before(async () => {
  if (!skip) agent = await createPrivateAgent("chain", { controlplane });
});
after(() => agent?.remove());

test("pods that another plugin made reach each other and their node as policies say, also while the agent is away", {
  skip,
  timeout: patience(240_000),
}, async () => {
  const { node } = agent;
  for (const setting of ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]) await node.exec("sysctl", "-qw", `${setting}=1`);
  agent.start({ trafficEncapMode: "networkPolicyOnly" });
  await agent.eventually(() => agent.logged.some(({ message }) => message === "policies are in force"));
  await agent.eventually(async () => (await agent.ask("/readyz")) === "ok");
  const web = await agent.chainPod("web", addresses.web);
  const client = await agent.chainPod("client", addresses.client);
  const stranger = await agent.chainPod("stranger", addresses.stranger);
  const right = async (when: string): Promise<void> => {
    for (const family of [4, 6] as const) {
      const wait = amplePatience / 1_000;
      assert.ok(await reaches(client.namespace, addresses.web[family], wait), `${when}: client to web over IPv${family}`);
      assert.ok(await reaches(web.namespace, addresses.stranger[family], wait), `${when}: web to stranger over IPv${family}`);
      assert.ok(await reaches(node.namespace, addresses.web[family], wait), `${when}: node to web over IPv${family}`);
    }
    const ways = { from: stranger.namespace, tried: Object.values(addresses.web), marking: Object.values(addresses.client) };
    assert.deepEqual(await answeredWays(ways), [], `${when}: stranger to web`);
  };
  await right("at first");
  await agent.stop("SIGKILL");
  await right("without its agent");
});
