import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "#lib/ip/index.ts";
import type { Node } from "#lib/kube/index.ts";
import type { InterfaceAddress, Link } from "#lib/netlink/index.ts";
import { createLogger, systemClock } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { followRemoteNodes, tellOfNewPodCidrs, thisNodeOf, transportAddressesAnnotation, whenThisNode } from "./nodes.ts";
import { findTransport, podMtu } from "./transport.ts";

const node = (name: string, change: { cidrs?: string[]; addresses?: [string, string][]; annotation?: string } = {}): Node => ({
  metadata: { name, ...(change.annotation === undefined ? {} : { annotations: { [transportAddressesAnnotation]: change.annotation } }) },
  spec: { podCIDRs: change.cidrs ?? ["10.1.0.0/24", "fd00:1::/64"] },
  status: { addresses: (change.addresses ?? [["InternalIP", "192.0.2.1"]]).map(([type, address]) => ({ type, address })) },
});
const nodeTable = () => createTable<Node>({ name: "nodes", key: ({ metadata }) => metadata.name ?? "" });

test("remote nodes come, change and go; our own and unreachable ones are none", () => {
  const nodes = nodeTable();
  nodes.upsert(node("self"));
  nodes.upsert(
    node("b", {
      addresses: [
        ["ExternalIP", "198.51.100.9"],
        ["InternalIP", "192.0.2.2"],
        ["InternalIP", "fd99::2"],
        ["Hostname", "b"],
      ],
    }),
  );
  nodes.upsert(node("c", { annotation: "203.0.113.3, fd99::3" }));
  nodes.upsert(node("unplanned", { cidrs: [] }));
  nodes.upsert(node("lost", { addresses: [["Hostname", "lost"]] }));
  const remote = followRemoteNodes({ nodes, self: "self", reachable: [6] });
  const seen = () => Object.fromEntries([...remote.rows()].map(({ name, transportAddresses }) => [name, transportAddresses.join()]));
  assert.deepEqual(seen(), { b: "fd99::2,192.0.2.2", c: "fd99::3,203.0.113.3" });
  nodes.upsert(node("unplanned"));
  nodes.upsert(node("c", { cidrs: [] }));
  nodes.delete("b");
  assert.deepEqual(seen(), { unplanned: "192.0.2.1" });
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

test("other pod addresses for our own node are told once", () => {
  const nodes = nodeTable();
  nodes.upsert(node("self"));
  const known = thisNodeOf(nodes.get("self"));
  assert.ok(known);
  const lines: string[] = [];
  tellOfNewPodCidrs(nodes, known, createLogger({ clock: systemClock, write: (line) => void lines.push(line) }));
  nodes.upsert(node("self", { annotation: "192.0.2.9" }));
  nodes.upsert(node("self", { cidrs: ["10.7.0.0/24"] }));
  nodes.upsert(node("self", { cidrs: ["10.7.0.0/24"] }));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /10\.7\.0\.0\/24/);
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

test("pod MTU leaves room for the tunnel", () => {
  const transport = findTransport(none, own, present);
  assert.equal(podMtu({ defaultMTU: 0 }, transport), 1_450);
  assert.equal(podMtu({ defaultMTU: 0 }, { ...transport, addresses: [parseAddress("fd99::1")] }), 1_430);
  assert.equal(podMtu({ defaultMTU: 1_400 }, transport), 1_400);
  assert.equal(podMtu({ defaultMTU: 0 }, { ...transport, mtu: 65_535 }), 65_000);
});
