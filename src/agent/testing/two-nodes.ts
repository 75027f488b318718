import assert from "node:assert/strict";
import { encodeGroup, encodeNetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { type Family, parseAddress } from "#lib/ip/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { answeredWays, reaches } from "./answered-ways.ts";
import { policy, rule } from "./policies.ts";
import { createPrivateAgent, type PrivateAgent } from "./private-agent.ts";

/** The first pod of node-b, which the policy names before there is one. */
const clientOf = (families: readonly Family[]) => ({
  pod: { namespace: "shop", name: "client" },
  ips: ["10.10.1.2", "fd00:11::2"].map(parseAddress).filter(({ family }) => families.includes(family)),
  ports: [],
});
const web = { pod: { namespace: "shop", name: "web" }, ips: [], ports: [] };
const controlplaneOf = (families: readonly Family[]) => ({
  appliedtogroups: [encodeGroup("appliedtogroups", { name: "subjects", uid: "subjects", members: [web] })],
  addressgroups: [encodeGroup("addressgroups", { name: "clients", uid: "clients", members: [clientOf(families)] })],
  networkpolicies: [encodeNetworkPolicy(policy("web", { rules: [rule({ peer: { ...nothing, addressGroups: ["clients"] } })] }))],
});

/** Node `a` with pods `web`, which a policy isolates, and `other`; node `b` with `client`, which the policy admits, and `stranger`. */
export interface TwoNodes {
  readonly a: PrivateAgent;
  readonly b: PrivateAgent;
  /** Starts both agents with `config` and waits until policies are in force. */
  start(config?: object): Promise<void>;
  addPods(): Promise<void>;
  /** They are there after {@link TwoNodes.addPods}: `known` is the client, `server` is web. */
  readonly pods: Pods;
  /** Every way between the pods and from a node is as the policy says; of `families`, those that the mode carries. */
  right(when: string, families?: readonly Family[]): Promise<void>;
  remove(): Promise<void>;
}

type Pods = Readonly<Record<"known" | "stranger" | "server" | "other", Awaited<ReturnType<PrivateAgent["addPod"]>>>>;

export const isReady = (agent: PrivateAgent) => async (): Promise<boolean> => (await agent.ask("/readyz")) === "ok";

/** `families` of nodes and pods; default both, over nodes with IPv4 addresses. */
export async function createTwoNodes(
  name: string,
  { families: all = [4, 6] }: { readonly families?: readonly Family[] } = {},
): Promise<TwoNodes> {
  const a = await createPrivateAgent(`${name}-a`, { controlplane: controlplaneOf(all), families: all });
  const b = await createPrivateAgent(`${name}-b`, { nodeName: "node-b", connectedTo: a, families: all });
  let pods: Pods | undefined;
  const present = (): Pods => {
    assert.ok(pods);
    return pods;
  };
  return {
    a,
    b,
    async start(config) {
      for (const agent of [a, b]) {
        agent.logged.length = 0;
        agent.start(config);
      }
      for (const agent of [a, b]) {
        // Not what the one before said: its token is gone, and so is what it served.
        await agent.eventually(() => agent.logged.some(({ message }) => message === "policies are in force"));
        await agent.eventually(isReady(agent));
      }
    },
    async addPods() {
      const known = await b.addPod("client");
      assert.deepEqual(known.addresses, clientOf(all).ips.map(String));
      const [stranger, server, other] = await Promise.all([b.addPod("stranger"), a.addPod("web"), a.addPod("other")]);
      pods = { known, stranger, server, other };
    },
    get pods() {
      return present();
    },
    async right(when, families = all) {
      const { known, stranger, server, other } = present();
      const of = (...some: readonly (typeof known)[]): string[] =>
        some.flatMap(({ addresses }) => addresses.filter((address) => families.includes(parseAddress(address).family)));
      const open = [
        ...of(server).map((address) => ["client", known.namespace, address] as const),
        ...of(stranger, other).map((address) => ["web", server.namespace, address] as const),
        ...of(known, other).map((address) => ["node-a", a.node.namespace, address] as const),
      ];
      const closed = [
        ["stranger", { from: stranger.namespace, tried: of(server), marking: of(other) }],
        ["other", { from: other.namespace, tried: of(server), marking: of(known) }],
      ] as const;
      await Promise.all([
        ...open.map(async ([who, from, address]) =>
          assert.ok(await reaches(from, address, amplePatience / 1_000), `${when}: ${who} to ${address}`),
        ),
        ...closed.map(async ([who, ways]) => assert.deepEqual(await answeredWays(ways), [], `${when}: ${who} to web`)),
      ]);
    },
    async remove() {
      await b.remove();
      await a.remove();
    },
  };
}
