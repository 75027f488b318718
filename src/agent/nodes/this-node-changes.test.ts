import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import type { Node } from "#lib/kube/index.ts";
import { createNetlink, type NetworkNamespace } from "#lib/netlink/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { whenThisNodeChanges } from "./this-node-changes.ts";
import { findTransport } from "./transport.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const netlink = createNetlink({ runtime });
const config = { transportInterface: "eth0", transportInterfaceCIDRs: [] };
let home: NetworkNamespace;

before(async () => {
  home = await netlink.create();
  await home.createVeth({ name: "eth0", up: true }, { name: "other", up: true });
  await setAddress("192.0.2.1");
});
after(() => netlink.close());

async function setAddress(text: string): Promise<void> {
  const { index: linkIndex } = await home.link({ name: "eth0" });
  for (const row of await home.addresses({ linkIndex, family: 4 })) await home.deleteAddress(row);
  await home.addAddress({ linkIndex, address: parseAddress(text), prefixLength: 24 });
}

const row = (podCIDR: string, annotations = {}): Node => ({
  metadata: { name: "self", annotations },
  spec: { podCIDRs: [podCIDR] },
  status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
});

/** Follows a node that has these addresses; gives what made it end. */
async function follow(): Promise<{ readonly nodes: ReturnType<typeof createTable<Node>>; readonly ended: Promise<string>; stop(): void }> {
  const nodes = createTable<Node>({ name: "nodes", key: ({ metadata }) => metadata.name ?? "" });
  nodes.upsert(row("10.1.0.0/24"));
  const addresses = [parseAddress("192.0.2.1")];
  const transport = findTransport(config, addresses, { links: await home.links(), addresses: await home.addresses() });
  const stopping = new AbortController();
  const known = { name: "self", uid: undefined, podCIDRs: [parsePrefix("10.1.0.0/24")], addresses };
  const changed = whenThisNodeChanges({ runtime, nodes, known, home, config, transport, signal: stopping.signal });
  return { nodes, ended: changed.catch((error: Error) => error.message), stop: () => stopping.abort(new Error("stopped")) };
}

test("other pod addresses end the agent, with what they are and were; what does not matter does not", async () => {
  const { nodes, ended } = await follow();
  nodes.upsert(row("10.1.0.0/24", { a: "b" }));
  nodes.delete("self");
  nodes.upsert(row("10.7.0.0/24"));
  assert.equal(await ended, "node self changed: its pod CIDRs are 10.7.0.0/24, were 10.1.0.0/24; starting anew");
});

test("another address of the transport interface ends the agent; one that comes back in a moment does not", async () => {
  const { ended, stop } = await follow();
  await setAddress("192.0.2.9");
  await setAddress("192.0.2.1");
  assert.equal(await Promise.race([ended, new Promise((resolve) => runtime.clock.after(1_500, () => resolve("goes on")))]), "goes on");
  await setAddress("192.0.2.9");
  assert.match(
    await ended,
    /^node self changed: its transport interface is eth0 \(192\.0\.2\.9\/24, MTU 1500.*\), was eth0 \(192\.0\.2\.1\/24/,
  );
  stop();
});

test("the end of the agent ends it", async () => {
  await setAddress("192.0.2.1");
  const { ended, stop } = await follow();
  stop();
  assert.equal(await ended, "stopped");
});
