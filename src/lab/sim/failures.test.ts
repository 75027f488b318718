import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentPlatform } from "#agent/platform.ts";
import { changedConnection } from "#lib/openflow/changed-connection.ts";
import { ChangesRefused } from "#lib/openflow/errors.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { NetlinkError, type RouteRequest } from "#lib/netlink/index.ts";
import { NftFailed } from "#lib/nftables/index.ts";
import { type Duration, minutes, seconds } from "#lib/runtime/index.ts";
import { type RunningCluster, startCluster } from "./cluster.ts";
import { nodeAddresses } from "./node/addresses.ts";

// Each target of the agent fails in turn, by the contracts that it stands on (agent/platform.ts): the row that failed shows its error, is tried again by
// backoff, and blocks nothing else. Node 1 is looked at; its agent is the whole one, its targets are in memory.

/** How a target fails; `tried` counts how often it was asked meanwhile. */
interface Failing {
  on: boolean;
  tried: number;
}
type Break = (platform: AgentPlatform, failing: Failing) => AgentPlatform;

/** The other node's pods, as rows name them. */
const [otherBlock = "", otherBlock6 = ""] = nodeAddresses(1).podCIDRs;

const isRefused = ({ match }: Flow): boolean => match.tcp_dst === 8_080n && match.eth_type === 0x800n;

const failures: readonly {
  readonly name: string;
  readonly break: Break;
  /** What /errors must tell, and nothing else. */
  readonly row: { readonly target: string; readonly row: RegExp; readonly reason: RegExp };
  /** Times in a minute: more would be no backoff, fewer no retry. */
  readonly tries: { readonly atLeast: number; readonly atMost: number };
}[] = [
  {
    name: "the switch refuses a flow (OFPET_FLOW_MOD_FAILED)",
    break: (platform, failing) => ({
      ...platform,
      async connectBridge(bridge, signal) {
        const connection = await platform.connectBridge(bridge, signal);
        return changedConnection(connection, {
          change(changes) {
            // A bundle is done whole or not at all, and names what it fails by.
            const bad = changes.find((change) => "flow" in change && change.command === "add" && isRefused(change.flow));
            if (!failing.on || bad === undefined) return connection.change(changes);
            failing.tried++;
            return Promise.reject(
              new ChangesRefused([{ change: bad, reason: "OFPET_FLOW_MOD_FAILED OFPFMFC_TABLE_FULL" }], () => "a flow"),
            );
          },
        });
      },
    }),
    row: { target: "flow", row: /tp_dst=8080/, reason: /OFPET_FLOW_MOD_FAILED OFPFMFC_TABLE_FULL/ },
    tries: { atLeast: 3, atMost: 20 },
  },
  ...(["EBUSY", "ENOSPC"] as const).map((errno) => ({
    name: `the kernel refuses a route (${errno})`,
    break: ((platform, failing) => ({
      ...platform,
      createNetlink(onFailure) {
        const netlink = platform.createNetlink(onFailure);
        const { addRoute, replaceRoute } = netlink.home;
        const refusing = <Done>(make: (route: RouteRequest) => Promise<Done>): typeof make => {
          return (route) => {
            if (!failing.on || String(route.destination) !== otherBlock) return make(route);
            failing.tried++;
            return Promise.reject(new NetlinkError({ what: "new route", errno }));
          };
        };
        return { ...netlink, home: { ...netlink.home, addRoute: refusing(addRoute), replaceRoute: refusing(replaceRoute) } };
      },
    })) satisfies Break,
    row: { target: "host network", row: new RegExp(`^route ${otherBlock.replaceAll(".", "\\.")}$`), reason: new RegExp(errno) },
    tries: { atLeast: 3, atMost: 30 },
  })),
  {
    name: "nft rejects a table",
    break: (platform, failing) => ({
      ...platform,
      createNftables(netlink) {
        const nftables = platform.createNftables(netlink);
        return {
          ...nftables,
          apply(table) {
            if (!failing.on || table.family !== "inet") return nftables.apply(table);
            failing.tried++;
            return Promise.reject(new NftFailed("apply", "Could not process rule: No space left on device"));
          },
        };
      },
    }),
    row: { target: "host network", row: /^nftables table inet antrea$/, reason: /No space left on device/ },
    tries: { atLeast: 3, atMost: 40 },
  },
  {
    name: "the disk is full",
    break: (platform, failing) => ({
      ...platform,
      files: {
        ...platform.files,
        replace(path, text) {
          if (!failing.on || !path.endsWith("policies.snapshot")) return platform.files.replace(path, text);
          failing.tried++;
          return Promise.reject(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }));
        },
      },
    }),
    row: { target: "disk", row: /^policies\.snapshot$/, reason: /ENOSPC/ },
    tries: { atLeast: 3, atMost: 40 },
  },
];

interface Told {
  readonly errors: readonly { readonly target: string; readonly row: string; readonly reason: string }[];
  readonly healthy: { readonly status: string; readonly message?: string } | undefined;
}

/** What the agent's API tells of what is refused. */
type Ask = () => Promise<Told>;

/** A cluster of two nodes, whose first one's agent stands on a platform that `failing` breaks. */
async function clusterWith(brk: Break, failing: Failing): Promise<{ readonly cluster: RunningCluster; readonly ask: Ask }> {
  let ask: Ask = () => Promise.reject(new Error("the agent does not serve yet"));
  const cluster = await startCluster({
    seed: 1,
    nodes: 2,
    mutant: {
      name: "failing",
      platform(platform) {
        let first = false;
        // Which node it is, is told by what it serves as.
        const broken = brk(platform, {
          get on() {
            return first && failing.on;
          },
          get tried() {
            return failing.tried;
          },
          set tried(times) {
            failing.tried = times;
          },
        });
        return {
          ...broken,
          serveApi(options) {
            first = options.hosts.includes("node-1");
            const answerOf = async (path: string): Promise<unknown> => {
              const answer = await options.routes()[path]?.answer(new URLSearchParams(), options.signal);
              return answer !== undefined && "json" in answer ? answer.json : undefined;
            };
            if (first)
              ask = async () => {
                const { agentConditions } = (await answerOf("/agentinfo")) as {
                  readonly agentConditions: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
                };
                return {
                  errors: (await answerOf("/errors")) as Told["errors"],
                  healthy: agentConditions.find(({ type }) => type === "AgentHealthy"),
                };
              };
            return broken.serveApi(options);
          },
        };
      },
    },
  });
  return { cluster, ask: () => ask() };
}

/** Opens pods `app=web` to everybody on a port. */
const policy = (name: string, port: number) =>
  ({
    do: "put-policy",
    namespace: "shop",
    name,
    spec: {
      podSelector: { matchLabels: { app: "web" } },
      policyTypes: ["Ingress"],
      ingress: [{ ports: [{ protocol: "TCP", port }] }],
    },
  }) as const;

/** Whether node 1 has a flow of the rules that admits a port. */
const admits = (cluster: RunningCluster, port: bigint): boolean =>
  cluster.nodes[0]?.bridge.memory.dumpFlows().some(({ match }) => match.tcp_dst === port) ?? false;

for (const { name, break: brk, row, tries } of failures)
  test(`${name}: the row shows it, is tried again by backoff, and blocks nothing else`, async () => {
    const failing: Failing = { on: false, tried: 0 };
    const { cluster, ask } = await clusterWith(brk, failing);
    let now: Duration = 0;
    const pass = (time: Duration): Promise<unknown> => {
      now += time;
      return cluster.runUntil(now);
    };
    /** The switch is asked on the way, which takes time. */
    const told = async (): Promise<Told> => (await Promise.all([ask(), pass(seconds(1))]))[0];
    try {
      await cluster.apply({ do: "create-pod", namespace: "shop", name: "web", node: "node-1", labels: { app: "web" } });
      await pass(seconds(20));
      const before = await told();
      assert.deepEqual([before.errors, before.healthy?.status], [[], "True"]);

      failing.on = true;
      await cluster.apply(policy("closed", 8_080));
      await cluster.apply(policy("open", 9_090));
      // Both routes to the other node go, and what nftables has is told to have changed.
      await dropRoutes(cluster);
      await pass(seconds(10));
      await cluster.apply({ do: "create-pod", namespace: "shop", name: "later", node: "node-1", labels: { app: "web" } });
      await pass(minutes(1));
      const during = await told();
      assert.equal(during.errors.length, 1, JSON.stringify(during.errors));
      assert.equal(during.errors[0]?.target, row.target);
      assert.match(during.errors[0]?.row ?? "", row.row);
      assert.match(during.errors[0]?.reason ?? "", row.reason);
      assert.equal(during.healthy?.status, "False");
      assert.match(during.healthy?.message ?? "", row.reason);
      assert.ok(failing.tried >= tries.atLeast && failing.tried <= tries.atMost, `tried ${failing.tried} times in 70 s`);
      // What has nothing to do with it went on: another policy, another pod, the route of the other family.
      assert.ok(admits(cluster, 9_090n), "another policy's flows");
      assert.equal(cluster.history.pods.get("shop/later")?.status?.phase, "Running");
      assert.ok((await routesOf(cluster)).includes(otherBlock6), "the route of the other family");

      failing.on = false;
      await pass(minutes(2));
      const after = await told();
      assert.deepEqual(after.errors, []);
      assert.equal(after.healthy?.status, "True");
      assert.ok(admits(cluster, 8_080n));
      assert.ok((await routesOf(cluster)).includes(otherBlock));
    } finally {
      cluster.end();
    }
  });

test("the Kubernetes API is gone: what the controller says goes on, and what waited for the API comes when it is back", async () => {
  const { cluster, ask } = await clusterWith((platform) => platform, { on: false, tried: 0 });
  let now: Duration = 0;
  const pass = (time: Duration): Promise<unknown> => {
    now += time;
    return cluster.runUntil(now);
  };
  try {
    await cluster.apply({ do: "create-pod", namespace: "shop", name: "web", node: "node-1", labels: { app: "web" } });
    await pass(seconds(20));
    cluster.network.isolate("node-1", "kubernetes");
    await cluster.apply(policy("open", 9_090));
    await cluster.apply({ do: "create-pod", namespace: "shop", name: "later", node: "node-1", labels: { app: "web" } });
    await pass(minutes(1));
    assert.ok(admits(cluster, 9_090n), "the controller's word");
    assert.notEqual(cluster.history.pods.get("shop/later")?.status?.phase, "Running");
    cluster.network.heal("node-1", "kubernetes");
    await pass(minutes(2));
    assert.equal(cluster.history.pods.get("shop/later")?.status?.phase, "Running");
    const [after] = await Promise.all([ask(), pass(seconds(1))]);
    assert.deepEqual([after.errors, after.healthy?.status], [[], "True"]);
  } finally {
    cluster.end();
  }
});

const homeOf = (cluster: RunningCluster) => {
  const network = cluster.nodes[0]?.network;
  assert.ok(network);
  return network.connect({ call: async (run) => run() }).home;
};

async function routesOf(cluster: RunningCluster): Promise<string[]> {
  const home = homeOf(cluster);
  const families = await Promise.all(([4, 6] as const).map((family) => home.routes({ family, protocol: 170 })));
  return families.flat().map(({ destination }) => String(destination));
}

async function dropRoutes(cluster: RunningCluster): Promise<void> {
  const home = homeOf(cluster);
  for (const family of [4, 6] as const) for (const route of await home.routes({ family, protocol: 170 })) await home.deleteRoute(route);
}
