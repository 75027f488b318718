import assert from "node:assert/strict";
import { test } from "node:test";
import { type Enforcement, waitForPolicy } from "#antctl/wait-for/wait-for-policy.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { createKubeClient, type KubeObject } from "#lib/kube/index.ts";
import { changedConnection } from "#lib/openflow/changed-connection.ts";
import { type Duration, milliseconds, seconds, seededRandom } from "#lib/runtime/index.ts";
import { type RunningCluster, startCluster } from "./cluster.ts";
import { simTransport } from "./http.ts";
import { createProcess } from "./process.ts";

// A policy is enforced for a pod that joins a group of its peers once its rows are in the switch of each node: what antctl and condition Enforced say of it.

const spec: NonNullable<AntreaPolicy["spec"]> = {
  priority: 5,
  appliedTo: [{ podSelector: { matchLabels: { app: "web" } } }],
  ingress: [{ action: "Drop", from: [{ podSelector: { matchLabels: { role: "client" } } }] }],
} as NonNullable<AntreaPolicy["spec"]>;

/** A cluster of two nodes and two controllers, whose first node's switch takes no changes while it is `held`. */
async function start() {
  const held: { on: boolean; release: (() => void)[] } = { on: false, release: [] };
  const cluster = await startCluster({
    seed: 3,
    nodes: 2,
    controllers: 2,
    mutant: {
      name: "held",
      platform(platform) {
        let first = false;
        return {
          ...platform,
          serveApi(options) {
            first = options.hosts.includes("node-1");
            return platform.serveApi(options);
          },
          async connectBridge(bridge, signal) {
            const connection = await platform.connectBridge(bridge, signal);
            return changedConnection(connection, {
              async change(changes) {
                while (first && held.on) await new Promise<void>((resolve) => held.release.push(resolve));
                return connection.change(changes);
              },
            });
          },
        };
      },
    },
  });
  let now: Duration = 0;
  const pass = (time: Duration): Promise<unknown> => {
    now += time;
    return cluster.runUntil(now);
  };
  const process = createProcess({ clock: cluster.clock, name: "antctl", all: cluster.processes });
  const clientOf = (to: string) =>
    createKubeClient({
      config: { server: `http://${to}` },
      transport: simTransport({
        network: cluster.network,
        random: seededRandom(1),
        host: "outside",
        process,
        user: "admin",
        to,
        server: () => cluster.serverOf(to),
      }),
    });
  const kubernetes = clientOf("kubernetes");
  /** Whether antctl, asking that controller, says that it is enforced within `timeout`. */
  const wait = async (controller: string, timeout: Duration, meanwhile: () => Promise<void> = async () => {}): Promise<Enforcement> => {
    const client = clientOf(controller);
    const waiting = waitForPolicy({
      ask: (path) => (path.startsWith("/apis/controlplane") ? client : kubernetes).json({ method: "GET", path }),
      mode: "remote",
      policy: { name: "deny" },
      generation: undefined,
      timeout,
      clock: cluster.clock,
    });
    const state: { over: boolean } = { over: false };
    void waiting.finally(() => {
      state.over = true;
    });
    while (!state.over) {
      await pass(milliseconds(100));
      if (!state.over) await meanwhile();
    }
    return waiting;
  };
  const condition = async (): Promise<string> => {
    const asked = kubernetes.json({ method: "GET", path: "/apis/crd.antrea.io/v1beta1/clusternetworkpolicies/deny" });
    const [policy] = await Promise.all([asked as Promise<KubeObject & { readonly status?: Status }>, pass(seconds(1))]);
    const found = policy.status?.conditions?.find(({ type }) => type === "Enforced");
    return `${found?.status}: ${found?.message}`;
  };
  return {
    cluster,
    pass,
    wait,
    condition,
    hold() {
      held.on = true;
    },
    letGo() {
      held.on = false;
      for (const release of held.release.splice(0)) release();
    },
  };
}

interface Status {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
}

const client = (name: string) => ({ do: "create-pod", namespace: "shop", name, node: "node-2", labels: { role: "client" } }) as const;

/** Whether node 1 knows the pod as a peer, in whatever table. */
function isKnown(cluster: RunningCluster, name: string): boolean {
  const ip = cluster.history.pods.get(`shop/${name}`)?.status?.podIPs?.[0]?.ip;
  assert.ok(ip !== undefined, `${name} has no address`);
  const value = BigInt(`0x${Buffer.from(ip.split(".").map(Number)).toString("hex")}`);
  return cluster.nodes[0]?.bridge.memory.dumpFlows().some(({ match }) => match.ip_src === value || match.ip_dst === value) ?? false;
}

test("a policy is not enforced for a pod that joined a group while a node does not have its rows", async () => {
  const { cluster, pass, wait, condition, hold, letGo } = await start();
  try {
    await cluster.apply({ do: "create-pod", namespace: "shop", name: "web", node: "node-1", labels: { app: "web" } });
    await cluster.apply(client("one"));
    await cluster.apply({ do: "put-cluster-policy", name: "deny", spec });
    await pass(seconds(20));
    for (const controller of cluster.controllers) {
      const first = await wait(controller, seconds(30));
      assert.deepEqual([first.enforced, first.membersUnknown], [true, undefined], JSON.stringify(first));
    }
    assert.match(await condition(), /^True/);

    hold();
    await cluster.apply(client("two"));
    await pass(seconds(3));
    assert.equal(isKnown(cluster, "two"), false);
    for (const controller of cluster.controllers) {
      const { enforced, nodes } = await wait(controller, seconds(2));
      assert.equal(enforced, false);
      assert.deepEqual(
        nodes?.map(({ nodeName, state, membersProven }) => [nodeName, state, membersProven]),
        [["node-1", "Proven", false]],
      );
    }
    await pass(seconds(5));
    assert.match(await condition(), /^False: 0 of 1 nodes have proven it; not node-1 \(not the members/);

    letGo();
    for (const controller of cluster.controllers) assert.equal((await wait(controller, seconds(30))).enforced, true);
    assert.ok(isKnown(cluster, "two"));
    await pass(seconds(3));
    assert.match(await condition(), /^True/);
  } finally {
    cluster.end();
  }
});

test("where pods come and go all the time, what was there when it was asked is still found proven, and the condition stands", async () => {
  const { cluster, pass, wait, condition } = await start();
  try {
    await cluster.apply({ do: "create-pod", namespace: "shop", name: "web", node: "node-1", labels: { app: "web" } });
    await cluster.apply({ do: "put-cluster-policy", name: "deny", spec });
    await pass(seconds(20));
    let count = 0;
    const churn = async (): Promise<void> => {
      count++;
      await cluster.apply(client(`p${count}`));
      if (count > 10) await cluster.apply({ do: "delete-pod", namespace: "shop", name: `p${count - 10}` });
    };
    for (let step = 0; step < 50; step++) {
      await pass(milliseconds(100));
      await churn();
    }
    const asked = count - 5;
    for (const controller of cluster.controllers) assert.equal((await wait(controller, seconds(20), churn)).enforced, true, controller);
    assert.ok(count > asked + 5);
    assert.match(await condition(), /^True/);
  } finally {
    cluster.end();
  }
});
