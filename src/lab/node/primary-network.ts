import { type Node, nodes as nodeResource } from "#lib/kube/index.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { sleep } from "#lib/runtime/clock.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { adminClient } from "../admin-client.ts";
import { inNetns, run } from "../command.ts";
import { NodesNotReady } from "../errors.ts";
import type { LabPaths } from "../paths.ts";
import { type LabSpec, nodeAddress, nodeNumber, transportNetwork } from "../spec.ts";

/** `rtm_protocol` of these routes, by which they are found again. Free in `/etc/iproute2/rt_protos`, and not the agent's. */
const routeOwner = "171";
const table = "antrea-lab-primary";
const limit = seconds(60);

interface Primary {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly signal: AbortSignal;
}

/** The pod blocks of the Node, as soon as it has them. Throws {@link NodesNotReady}. */
export async function podCidrsOf(name: string, { runtime, paths, spec, signal }: Primary): Promise<readonly string[]> {
  const client = adminClient(paths);
  const deadline = runtime.clock.monotonic() + limit;
  try {
    for (;;) {
      const { items } = await client.list(nodeResource);
      const blocks = items.find(({ metadata }) => metadata.name === name)?.spec?.podCIDRs ?? [];
      if (blocks.length === spec.podCidrs.length) return blocks;
      if (runtime.clock.monotonic() > deadline) throw new NodesNotReady([`${name}: has no pod CIDR`], paths.logs);
      await sleep(runtime.clock, milliseconds(50), signal);
    }
  } finally {
    client.close();
  }
}

/**
 * What comes with the plugin before ours where `networkPolicyOnly` is used (a cloud's routes and its translation to the outside): each node
 * knows the way to the pods of the others, and hides its own from what is outside the cluster.
 */
export async function createPrimaryNetwork({ paths, spec }: Pick<Primary, "paths" | "spec">, names: readonly string[]): Promise<void> {
  const client = adminClient(paths);
  try {
    const { items } = await client.list(nodeResource);
    await Promise.all(names.map((name) => connectNode({ paths, spec }, name, items)));
  } finally {
    client.close();
  }
}

async function connectNode({ paths, spec }: Pick<Primary, "paths" | "spec">, name: string, all: readonly Node[]): Promise<void> {
  const { netns } = paths.node(name);
  const routes = all.flatMap(({ metadata, spec: node }) => {
    const address = nodeAddress(transportNetwork, nodeNumber(metadata.name ?? "") ?? 0);
    if (metadata.name === name) return [];
    return (node?.podCIDRs ?? []).map(
      (block) => `route add ${block} via ${block.includes(":") ? address.v6 : address.v4} proto ${routeOwner}`,
    );
  });
  await removeNode(netns);
  await run("ip", ["-n", netns, "-batch", "-"], { input: `${routes.join("\n")}\n` });
  const own = all.find(({ metadata }) => metadata.name === name)?.spec?.podCIDRs ?? [];
  const rules = own.map((block) => {
    const protocol = block.includes(":") ? "ip6" : "ip";
    const cluster = spec.podCidrs.find((cidr) => cidr.includes(":") === block.includes(":")) ?? block;
    return `add rule inet ${table} postrouting ${protocol} saddr ${block} ${protocol} daddr != ${cluster} oifname != "antrea-gw0" masquerade`;
  });
  await nft(netns, [
    `add table inet ${table}`,
    `add chain inet ${table} postrouting { type nat hook postrouting priority srcnat; }`,
    ...rules,
  ]);
}

/** Takes it all away again from the node; nothing there is fine. */
export async function removePrimaryNetwork(paths: LabPaths, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => removeNode(paths.node(name).netns)));
}

async function removeNode(netns: string): Promise<void> {
  for (const family of ["-4", "-6"]) await run("ip", ["-n", netns, family, "route", "flush", "proto", routeOwner]);
  await nft(netns, [`delete table inet ${table}`]).catch(() => {});
}

async function nft(netns: string, lines: readonly string[]): Promise<void> {
  const { command, args } = inNetns(netns, "nft", ["-f", "-"]);
  await run(command, args, { input: `${lines.join("\n")}\n` });
}
