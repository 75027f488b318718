import assert from "node:assert/strict";
import { after, test } from "node:test";
import { tunnelMac } from "#core/pipeline/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createNetlink } from "#lib/netlink/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { applyNeighbours } from "./routes.ts";
import { createAttempts } from "./attempts.ts";
import { type HostNetworkInput, routesTo } from "./desired.ts";

const netlink = createNetlink({ runtime: { ...systemRuntime(), logger: silentLogger } });
after(() => netlink.close());

const input: HostNetworkInput = {
  gateway: "gw0",
  mtu: 1_400,
  datapath: "system",
  podCIDRs: ["10.5.0.0/24", "fd05::/64"].map(parsePrefix),
  remoteNodes: [{ name: "b", podCIDRs: ["10.5.1.0/24", "fd05:1::/64"].map(parsePrefix), transportAddresses: [parseAddress("192.0.2.2")] }],
  transportInterface: "up0",
  masquerade: true,
};
const foreign = { address: parseAddress("fd05::9"), mac: parseMac("02:00:00:00:00:09") };

test("other nodes' gateways are the gateway's permanent IPv6 neighbours where the kernel forwards; those of others stay", async () => {
  const node = await netlink.create();
  await node.createVeth({ name: "gw0", up: true }, { name: "peer", up: true });
  const { index: linkIndex } = await node.link({ name: "gw0" });
  await node.replaceNeighbour({ linkIndex, ...foreign });
  const permanent = async (): Promise<string[]> => {
    const found = await node.neighbours({ family: 6, linkIndex });
    return found.flatMap((entry) => (entry.permanent && entry.mac !== undefined ? [`${entry.address} ${entry.mac}`] : [])).sort();
  };
  const left = `${foreign.address} ${foreign.mac}`;
  const apply = async (change: Partial<HostNetworkInput>, mayDelete = true): Promise<string[]> => {
    const now = { ...input, ...change };
    const wanted = new Map(now.remoteNodes.flatMap((other) => routesTo(other, now)));
    const repairs = await applyNeighbours(node, now, { mayDelete, attempts: createAttempts(), wanted });
    return repairs.map(({ finding, what }) => `${finding} ${what}`);
  };

  assert.deepEqual(await apply({}), ["missing neighbour fd05:1::1"]);
  assert.deepEqual((await permanent()).includes(`fd05:1::1 ${tunnelMac}`), true);
  assert.deepEqual(await apply({}), []);
  assert.deepEqual(await apply({ remoteNodes: [] }, false), []);
  assert.deepEqual(await apply({ remoteNodes: [] }), ["unknown neighbour fd05:1::1"]);
  assert.deepEqual(
    (await permanent()).filter((entry) => entry.startsWith("fd05:")),
    [left],
  );
  assert.deepEqual(await apply({ datapath: "netdev" }), []);
});
