import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import type { Node } from "#lib/kube/index.ts";
import type { InterfaceAddress, Link } from "#lib/netlink/index.ts";
import { createTable } from "#lib/table/index.ts";
import { followRemoteNodes, thisNodeOf, transportAddressesAnnotation, whenThisNode } from "./nodes.ts";
import { podMtu } from "./mtu.ts";
import { findTransport, type Transport } from "./transport.ts";
import { waysOf } from "./ways.ts";

const node = (name: string, change: { cidrs?: string[]; addresses?: [string, string][]; annotation?: string } = {}): Node => ({
  metadata: { name, ...(change.annotation === undefined ? {} : { annotations: { [transportAddressesAnnotation]: change.annotation } }) },
  spec: { podCIDRs: change.cidrs ?? ["10.1.0.0/24", "fd00:1::/64"] },
  status: { addresses: (change.addresses ?? [["InternalIP", "192.0.2.1"]]).map(([type, address]) => ({ type, address })) },
});
const transportWith = (...texts: string[]): Transport => {
  const addresses = texts.map((text) => parseAddress(text.split("/")[0] ?? ""));
  return { interfaceName: "eth0", mtu: 1_500, addresses, subnets: texts.map(parsePrefix), announced: false };
};
const nodeTable = () => createTable<Node>({ name: "nodes", key: ({ metadata }) => metadata.name ?? "" });

test("remote nodes come, change and go; our own and unreachable ones are none", () => {
  const nodes = nodeTable();
  nodes.upsert(node("self"));
  nodes.upsert(
    node("b", {
      cidrs: ["10.3.0.0/24"],
      addresses: [
        ["ExternalIP", "198.51.100.9"],
        ["InternalIP", "192.0.2.2"],
        ["InternalIP", "fd99::2"],
        ["Hostname", "b"],
      ],
    }),
  );
  nodes.upsert(node("c", { cidrs: ["10.2.0.0/24"], annotation: "203.0.113.3, fd99::3" }));
  nodes.upsert(node("unplanned", { cidrs: [] }));
  nodes.upsert(node("lost", { cidrs: ["10.4.0.0/24"], addresses: [["Hostname", "lost"]] }));
  const remote = followRemoteNodes({
    nodes,
    self: "self",
    ways: waysOf({ trafficEncapMode: "encap", tunnelType: "geneve" }, transportWith("fd99::1/64")),
  });
  const seen = () => Object.fromEntries([...remote.rows()].map(({ name, transportAddresses }) => [name, transportAddresses.join()]));
  assert.deepEqual(seen(), { b: "fd99::2", c: "fd99::3" }, "tunnels need an address of a family that we have too");
  nodes.upsert(node("unplanned", { cidrs: ["10.5.0.0/24"] }));
  nodes.upsert(node("c", { cidrs: [] }));
  nodes.delete("b");
  assert.deepEqual(seen(), { unplanned: "" });
});

test("our own node is awaited until it has pod addresses", async () => {
  const nodes = nodeTable();
  nodes.upsert(node("self", { cidrs: [] }));
  const waiting = whenThisNode(nodes, "self", new AbortController().signal);
  nodes.upsert(node("self"));
  assert.deepEqual((await waiting).podCIDRs.map(String), ["10.1.0.0/24", "fd00:1::/64"]);
  assert.equal(thisNodeOf(undefined), undefined);
  await assert.rejects(whenThisNode(nodeTable(), "self", AbortSignal.abort(new Error("stop"))), /stop/);
});

const link = (index: number, name: string, mtu = 1_500): Link => ({
  index,
  name,
  alternativeNames: [],
  mtu,
  up: true,
  loopback: false,
  carrier: true,
});
const address = (linkIndex: number, text: string, scope: InterfaceAddress["scope"] = "universe"): InterfaceAddress => ({
  linkIndex,
  address: parseAddress(text),
  prefixLength: 24,
  scope,
  tentative: false,
});
const present = {
  links: [link(1, "lo", 65_536), link(2, "eth0"), link(3, "fabric0", 9_000)],
  addresses: [
    address(1, "127.0.0.1", "host"),
    address(2, "192.0.2.1"),
    address(2, "fe80::1", "link"),
    address(3, "203.0.113.1"),
    address(3, "fd99::1"),
  ],
};
const own = [parseAddress("192.0.2.1")];
const none = { transportInterface: "", transportInterfaceCIDRs: [] };

test("the transport interface: by name, by block, else the one with the Node's address", () => {
  const found = (config: typeof none | { transportInterface: string; transportInterfaceCIDRs: string[] }) => {
    const { interfaceName, addresses, announced } = findTransport(config, own, present);
    return [interfaceName, addresses.join(), announced];
  };
  assert.deepEqual(found(none), ["eth0", "192.0.2.1", false]);
  assert.deepEqual(found({ transportInterface: "fabric0", transportInterfaceCIDRs: ["192.0.2.0/24"] }), [
    "fabric0",
    "203.0.113.1,fd99::1",
    true,
  ]);
  assert.deepEqual(found({ transportInterface: "", transportInterfaceCIDRs: ["fd99::/64"] }), ["fabric0", "fd99::1", true]);
  assert.throws(() => found({ transportInterface: "eth7", transportInterfaceCIDRs: [] }), {
    code: "NO_TRANSPORT_INTERFACE",
    message: /is eth7/,
  });
  assert.throws(() => found({ transportInterface: "", transportInterfaceCIDRs: ["10.9.0.0/16"] }), /has an address in 10.9.0.0\/16/);
  assert.throws(() => findTransport(none, [parseAddress("192.0.2.99")], present), /has the Node's address 192.0.2.99/);
});

test("pod MTU leaves room for what the mode puts around a packet", () => {
  const transport = findTransport(none, own, present);
  const dual = { ...transport, addresses: [parseAddress("192.0.2.1"), parseAddress("fd99::1")] };
  const config = { defaultMTU: 0, trafficEncapMode: "encap", tunnelType: "geneve", tunnelCsum: false } as const;
  const mtu = (change: object, over = transport): number => podMtu({ ...config, ...change }, over);
  assert.deepEqual(
    [mtu({}), mtu({}, dual), mtu({ tunnelType: "vxlan" }), mtu({ tunnelType: "vxlan" }, dual)],
    [1_450, 1_430, 1_450, 1_430],
  );
  assert.deepEqual(
    [mtu({ tunnelType: "gre" }), mtu({ tunnelType: "gre" }, dual), mtu({ tunnelType: "gre", tunnelCsum: true })],
    [1_458, 1_458, 1_454],
  );
  assert.equal(mtu({ tunnelCsum: true }), 1_450, "UDP has room for a checksum");
  assert.equal(mtu({ trafficEncapMode: "hybrid" }), 1_450, "some packets take the tunnel");
  assert.deepEqual([mtu({ trafficEncapMode: "noEncap" }, dual), mtu({ trafficEncapMode: "networkPolicyOnly" })], [1_500, 1_500]);
  assert.equal(mtu({ defaultMTU: 1_400 }), 1_400);
  assert.equal(mtu({}, { ...transport, mtu: 65_535 }), 65_000);
});

test("which blocks the node's own routing reaches follows from the mode and from who shares our link", () => {
  const transport = transportWith("192.0.2.9/24", "fd99::9/64");
  const blocks = ["10.1.0.0/24", "fd00:1::/64"].map(parsePrefix);
  const routed = (trafficEncapMode: "encap" | "noEncap" | "hybrid" | "networkPolicyOnly", ...addresses: string[]): string =>
    waysOf({ trafficEncapMode, tunnelType: "geneve" }, transport)
      .routed(blocks, addresses.map(parseAddress))
      .map(({ block, nextHop }) => `${block} ${nextHop ?? "by routers"}`)
      .join(", ");
  const near = ["192.0.2.2", "fd99::2"];
  assert.equal(routed("encap", ...near), "");
  assert.equal(routed("networkPolicyOnly", ...near), "");
  assert.equal(routed("noEncap", ...near), "10.1.0.0/24 192.0.2.2, fd00:1::/64 fd99::2");
  assert.equal(routed("hybrid", ...near), "10.1.0.0/24 192.0.2.2, fd00:1::/64 fd99::2");
  assert.equal(routed("noEncap", "198.51.100.2", "fd98::2"), "10.1.0.0/24 by routers, fd00:1::/64 by routers");
  assert.equal(routed("hybrid", "198.51.100.2", "fd98::2"), "", "the tunnel");
  assert.equal(routed("hybrid", "192.0.2.2"), "10.1.0.0/24 192.0.2.2", "IPv6 pods of a node that has IPv4 alone take the tunnel");
});

test("GRE runs over IPv4 alone, and says so", () => {
  const config = { trafficEncapMode: "encap", tunnelType: "gre" } as const;
  assert.deepEqual(waysOf(config, transportWith("192.0.2.9/24", "fd99::9/64")).tunnelFamilies, [4]);
  assert.throws(() => waysOf(config, transportWith("fd99::9/64")), {
    code: "NO_TUNNEL_ADDRESS",
    message: /tunnelType gre does not run over IPv6/,
  });
  assert.deepEqual(waysOf({ ...config, trafficEncapMode: "noEncap" }, transportWith("fd99::9/64")).tunnelFamilies, []);
});

test("a pod CIDR has one holder at every moment, whatever order nodes come and go in", () => {
  const nodes = nodeTable();
  const at = (name: string, block: string, created: string): Node => {
    const made = node(name, { cidrs: [block] });
    return { ...made, metadata: { ...made.metadata, creationTimestamp: `2026-01-01T00:00:0${created}Z` } };
  };
  const remote = followRemoteNodes({
    nodes,
    self: "self",
    ways: waysOf({ trafficEncapMode: "encap", tunnelType: "geneve" }, transportWith("192.0.2.9/24")),
  });
  const holders = (block: string): string[] =>
    [...remote.rows()].filter(({ podCIDRs }) => podCIDRs.some((cidr) => String(cidr) === block)).map(({ name }) => name);
  remote.subscribe(() => assert.ok(holders("10.1.0.0/24").length <= 1));
  nodes.upsert(at("old", "10.1.0.0/24", "1"));
  nodes.upsert(at("young", "10.1.0.0/24", "2"));
  assert.deepEqual(holders("10.1.0.0/24"), ["young"], "the old one has not been deleted yet");
  nodes.upsert(at("old", "10.2.0.0/24", "1"));
  assert.deepEqual([holders("10.1.0.0/24"), holders("10.2.0.0/24")], [["young"], ["old"]]);
  nodes.upsert(at("old", "10.1.0.0/24", "1"));
  nodes.delete("young");
  assert.deepEqual(holders("10.1.0.0/24"), ["old"]);
});
