import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RemoteNode } from "#core/pipeline/rows.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { createMemoryNetwork, type NetworkNamespace, routeTable } from "#lib/netlink/index.ts";
import { createAttempts } from "./attempts.ts";
import type { HostNetworkInput } from "./desired.ts";
import { createRouteKeeper, type RouteKeeper } from "./route-keeper.ts";
import { routeOwner } from "./routes.ts";

const fixed: Omit<HostNetworkInput, "remoteNodes"> = {
  gateway: "antrea-gw0",
  mtu: 1_450,
  datapath: "netdev",
  podCIDRs: [parsePrefix("10.10.0.0/24"), parsePrefix("fd00:10::/64")],
  transportInterface: "eth0",
  masquerade: true,
};
const remote = (number: number, version: number): RemoteNode => ({
  name: `node-${number}`,
  transportAddresses: [parseAddress(`192.0.2.${100 + version}`)],
  podCIDRs: [parsePrefix(`10.10.${number + 1}.0/24`), parsePrefix(`fd00:${number + 1}::/64`)],
});

interface Node {
  readonly home: NetworkNamespace;
  readonly keeper: RouteKeeper;
  readonly gateway: number;
  readonly uplink: number;
}

async function createNode(): Promise<Node> {
  const network = createMemoryNetwork();
  const uplink = network.addLink({ name: "eth0", mtu: 1_500 });
  const gateway = network.addLink({ name: "antrea-gw0", mtu: 1_450 });
  const { home } = network.connect();
  const keeper = createRouteKeeper(home, fixed);
  await home.watch(["route"], (event) => {
    if (event.kind === "route") keeper.heard(event);
  });
  return { home, keeper, gateway, uplink };
}

/** The rows are applied when everything of before was heard. */
async function apply({ keeper }: Node, remoteNodes: readonly RemoteNode[]): Promise<void> {
  await new Promise(setImmediate);
  const attempts = createAttempts();
  await keeper.apply({ ...fixed, remoteNodes }, { mayDelete: true, attempts });
  attempts.end();
}

async function routes({ home }: Node): Promise<{ readonly ours: readonly string[]; readonly others: readonly string[] }> {
  const all = [
    ...(await home.routes({ family: 4, table: routeTable.main })),
    ...(await home.routes({ family: 6, table: routeTable.main })),
  ];
  const text = (owned: boolean): readonly string[] =>
    all
      .filter(({ protocol }) => (protocol === routeOwner) === owned)
      .map(({ destination, gateway, linkIndex }) => `${destination} via ${gateway} dev ${linkIndex}`)
      .sort();
  return { ours: text(true), others: text(false) };
}

const wantedFor = ({ gateway }: Node, nodes: readonly RemoteNode[]): readonly string[] =>
  nodes
    .flatMap(({ podCIDRs }) => podCIDRs)
    .map((block) => `${block} via ${block.address.plus(1n)} dev ${gateway}`)
    .sort();

type Step =
  | { readonly nodes: readonly number[]; readonly version: number }
  | { readonly foreign: number; readonly what: "delete" | "move" };

test("after any rows and anything that others do to our routes, they are those of the last rows", async () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ nodes: fc.uniqueArray(fc.nat(5)), version: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ foreign: fc.nat(5), what: fc.constantFrom("delete" as const, "move" as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const node = await createNode();
      let nodes: readonly RemoteNode[] = [];
      for (const one of steps) {
        if ("nodes" in one) nodes = one.nodes.map((number) => remote(number, one.version));
        else {
          const destination = parsePrefix(`10.10.${one.foreign + 1}.0/24`);
          if (!nodes.some(({ podCIDRs }) => podCIDRs.some((block) => block.equals(destination)))) continue;
          const linkIndex = node.uplink;
          if (one.what === "delete") await node.home.deleteRoute({ destination });
          else await node.home.replaceRoute({ destination, linkIndex, protocol: routeOwner });
        }
        await apply(node, nodes);
        assert.deepEqual((await routes(node)).ours, wantedFor(node, nodes));
      }
    }),
  );
});

test("a node whose block somebody else routes is told of, also when that route came while nobody asked", async () => {
  const node = await createNode();
  await apply(node, [remote(0, 0)]);
  const foreign = { destination: parsePrefix("10.10.2.0/24"), linkIndex: node.uplink, protocol: 4 };
  await node.home.replaceRoute(foreign);
  await assert.rejects(apply(node, [remote(0, 0), remote(1, 0)]), { code: "ROWS_REFUSED", message: /10\.10\.2\.0\/24.*another program/ });
  assert.deepEqual((await routes(node)).others, [`10.10.2.0/24 via undefined dev ${node.uplink}`]);
  await node.home.deleteRoute(foreign);
  await apply(node, [remote(0, 0), remote(1, 0)]);
  assert.deepEqual((await routes(node)).ours, wantedFor(node, [remote(0, 0), remote(1, 0)]));
});

test("routes of an agent before ours are taken over: those over the gateway, and those that lead the same way", async () => {
  const node = await createNode();
  const boot = 3;
  const [before, now] = [[remote(0, 0), remote(1, 0)], [remote(0, 0)]];
  for (const block of before.flatMap(({ podCIDRs }) => podCIDRs))
    await node.home.replaceRoute({
      destination: block,
      linkIndex: node.gateway,
      gateway: block.address.plus(1n),
      onLink: true,
      protocol: boot,
    });
  await apply(node, before);
  assert.deepEqual(await routes(node), { ours: wantedFor(node, before), others: [] });
  await apply(node, now);
  assert.deepEqual(await routes(node), { ours: wantedFor(node, now), others: [] });

  const [destination, nextHop] = [parsePrefix("10.10.3.0/24"), parseAddress("192.0.2.100")];
  const direct: RemoteNode = { ...remote(2, 0), podCIDRs: [destination], routed: [{ block: destination, nextHop }] };
  await node.home.replaceRoute({ destination, linkIndex: node.uplink, gateway: nextHop, protocol: boot });
  await apply(node, [direct]);
  assert.deepEqual(await routes(node), { ours: [`${destination} via ${nextHop} dev ${node.uplink}`], others: [] });
});

test("a route of somebody else that comes while rows are applied is told of when its destination is wanted", async () => {
  const node = await createNode();
  await apply(node, [remote(0, 0)]);
  await apply(node, [remote(0, 0)]);
  const foreign = { destination: parsePrefix("10.10.3.0/24"), linkIndex: node.uplink, protocol: 4, metric: 100 };
  const { addRoute } = node.home;
  Object.assign(node.home, {
    addRoute: async (route: Parameters<typeof addRoute>[0]) => {
      await node.home.replaceRoute(foreign);
      await new Promise(setImmediate);
      return addRoute(route);
    },
  });
  await apply(node, [remote(0, 0), remote(1, 0)]);
  Object.assign(node.home, { addRoute: () => assert.fail("routes are read first") });
  await assert.rejects(apply(node, [remote(0, 0), remote(1, 0), remote(2, 0)]), {
    code: "ROWS_REFUSED",
    message: /10\.10\.3\.0\/24.*another program/,
  });
});

test("beside many nodes, one more or less is no reason to read all routes", async () => {
  const node = await createNode();
  const many = Array.from({ length: 200 }, (_, number) => remote(number, 0));
  await apply(node, many.slice(0, 199));
  await apply(node, many.slice(0, 199));
  const { routes: read } = node.home;
  let dumps = 0;
  const counted: typeof read = (filter) => {
    dumps++;
    return read(filter);
  };
  Object.assign(node.home, { routes: counted });
  await apply(node, many);
  await apply(node, many.slice(1));
  assert.equal(dumps, 0);
  Object.assign(node.home, { routes: read });
  assert.deepEqual((await routes(node)).ours, wantedFor(node, many.slice(1)));
});
