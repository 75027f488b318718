import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { IpAddress, Prefix, parsePrefix } from "#lib/ip/index.ts";
import { createNetlink, NetlinkError } from "#lib/netlink/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createNftables, element, type Nftables, type NftTable } from "./index.ts";

const run = promisify(execFile);
const namespace = `nft-kernel-${process.pid}`;
const nft = async (...args: string[]): Promise<string> => (await run("ip", ["netns", "exec", namespace, "nft", ...args])).stdout;
const netlink = createNetlink({ runtime: { ...systemRuntime(), logger: silentLogger } });
const directory = mkdtempSync(join(tmpdir(), "nft-kernel-"));
/** nft, until it is taken away: what works then works without it. */
const program = join(directory, "nft");

let nftables: Nftables;

before(async () => {
  await run("ip", ["netns", "add", namespace]);
});
after(async () => {
  await netlink.close();
  rmSync(directory, { recursive: true });
  await run("ip", ["netns", "del", namespace]);
});
beforeEach(async () => {
  writeFileSync(program, `#!/bin/sh\nexec ip netns exec ${namespace} nft "$@"\n`, { mode: 0o700 });
  nftables = createNftables({ command: [program], kernel: await netlink.open(`/run/netns/${namespace}`) });
  await nft("flush", "ruleset");
});

const table = (...blocks: readonly Prefix[]): NftTable => {
  const ofFamily = (family: 4 | 6) => blocks.filter((block) => block.family === family).map((block) => element(block));
  return {
    family: "inet",
    name: "antrea-test",
    sets: [
      { name: "pods4", type: "ipv4_addr", flags: ["interval"], elements: ofFamily(4) },
      { name: "pods6", type: "ipv6_addr", flags: ["interval"], elements: ofFamily(6) },
    ],
    chains: [
      {
        name: "pods",
        rules: [{ expr: [{ match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right: "@pods4" } }] }],
      },
    ],
  };
};
const other: NftTable = { family: "ip6", name: "antrea-test", chains: [{ name: "empty", rules: [] }] };

/** Elements as nft itself lists them. */
const listed = async (): Promise<readonly string[]> => {
  const { nftables: objects } = JSON.parse(await nft("-j", "list", "table", "inet", "antrea-test")) as {
    readonly nftables: readonly { readonly set?: { readonly elem?: readonly (string | { prefix: { addr: string; len: number } })[] } }[];
  };
  return objects
    .flatMap(({ set }) => set?.elem ?? [])
    .map((elem) => (typeof elem === "string" ? elem : `${elem.prefix.addr}/${elem.prefix.len}`))
    .sort();
};
const texts = (blocks: readonly Prefix[]): readonly string[] =>
  blocks.map((block) => (block.length === (block.family === 4 ? 32 : 128) ? String(block.address) : String(block))).sort();

const blocks = (...list: readonly string[]): readonly Prefix[] => list.map(parsePrefix);

test("elements come and go without nft, block beside block, and other tables are known as before", async () => {
  const first = blocks("10.10.1.0/24", "10.10.2.0/24", "fd00:1::/64");
  await nftables.apply(table(...first));
  await nftables.apply(other);
  await nftables.apply(table(...first));
  rmSync(program);
  for (const now of [
    blocks("10.10.1.0/24", "10.10.2.0/24", "10.10.3.0/24", "fd00:1::/64", "fd00:2::/64"),
    blocks("10.10.1.0/24", "10.10.3.0/24", "fd00:2::/64"),
    blocks("10.10.0.0/24", "10.10.1.0/24", "10.10.2.0/23", "fd00:1::/64", "fd00:2::/64", "fd00:3::7/128"),
  ]) {
    assert.equal(await nftables.apply(table(...now)), true);
    assert.deepEqual(await listed(), texts(now));
    assert.equal(await nftables.apply(table(...now)), false);
    assert.equal(await nftables.apply(other), false);
  }
});

test("what somebody else changed meanwhile is seen and put right", async () => {
  const wanted = blocks("10.10.1.0/24", "10.10.2.0/24");
  await nftables.apply(table(...wanted));
  assert.equal(await nftables.apply(table(...wanted)), false);
  await nft("delete", "element", "inet", "antrea-test", "pods4", "{ 10.10.1.0/24 }");
  assert.equal(await nftables.apply(table(...wanted)), true);
  assert.deepEqual(await listed(), texts(wanted));

  await nft("delete", "element", "inet", "antrea-test", "pods4", "{ 10.10.2.0/24 }");
  const more = [...wanted, parsePrefix("10.10.9.0/24")];
  assert.equal(await nftables.apply(table(...more)), true);
  assert.deepEqual(await listed(), texts(more));
});

test("nothing is changed on the word of an older generation", async () => {
  await nftables.apply(table(...blocks("10.10.1.0/24")));
  const kernel = await netlink.open(`/run/netns/${namespace}`);
  const generation = await kernel.nftablesGeneration();
  await nft("add", "table", "ip", "foreign");
  assert.notEqual(await kernel.nftablesGeneration(), generation);
  const change = {
    family: "inet",
    table: "antrea-test",
    set: "pods4",
    interval: true,
    added: blocks("10.10.2.0/24"),
    removed: [],
  } as const;
  assert.equal(await kernel.changeSetElements([change], { generation }), false);
  assert.deepEqual(await listed(), ["10.10.1.0/24"]);
  const refused = kernel.changeSetElements([change, { ...change, set: "none" }], { generation: await kernel.nftablesGeneration() });
  await assert.rejects(refused, { errno: "ENOENT" });
  assert.deepEqual(await listed(), ["10.10.1.0/24"]);
});

test("what the kernel refuses is left to nft", async () => {
  const kernel = await netlink.open(`/run/netns/${namespace}`);
  const changeSetElements = () => Promise.reject(new NetlinkError({ what: "transaction", errno: "EINVAL" }));
  nftables = createNftables({ command: [program], kernel: { ...kernel, changeSetElements } });
  await nftables.apply(table(...blocks("10.10.1.0/24")));
  const wanted = blocks("10.10.1.0/24", "10.10.2.0/24");
  assert.equal(await nftables.apply(table(...wanted)), true);
  assert.deepEqual(await listed(), texts(wanted));
});

test("any elements after any others are what was asked for", async () => {
  // Blocks of one family do not overlap: an interval set refuses those that do.
  const some = fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { maxLength: 12 });
  const step = fc.record({ v4: some, v6: some, edge: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      for (const { v4, v6, edge } of steps) {
        const now = [
          ...v4.map((third) => new Prefix(new IpAddress(4, 0x0a00_0000n + (BigInt(third) << 8n)), 24)),
          ...v6.map((last) => new Prefix(new IpAddress(6, (0xfd00n << 112n) + (BigInt(last) << 64n)), 64)),
          ...(edge ? blocks("255.255.255.0/24", "0.0.0.0/24") : []),
        ];
        await nftables.apply(table(...now));
        assert.deepEqual(await listed(), texts(now));
      }
    }),
    { numRuns: 5 },
  );
});
