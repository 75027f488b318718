import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { createNftables, element, fakeNftables, type NftTable } from "./index.ts";
import { decodePresent } from "./present.ts";

const run = promisify(execFile);
const namespace = `nft-test-${process.pid}`;
const command = ["ip", "netns", "exec", namespace, "nft"];
const nftables = createNftables({ command });
const listed = async (): Promise<string> => (await run("ip", ["netns", "exec", namespace, "nft", "list", "ruleset"])).stdout;

before(() => run("ip", ["netns", "add", namespace]));
after(() => run("ip", ["netns", "del", namespace]));

const source = { payload: { protocol: "ip", field: "saddr" } };

const table = (change: Partial<NftTable> = {}): NftTable => ({
  family: "inet",
  name: "antrea-test",
  sets: [
    {
      name: "pods",
      type: "ipv4_addr",
      flags: ["interval"],
      elements: [element(parsePrefix("10.0.0.0/24")), element(parsePrefix("1.2.3.4/32"))],
    },
    { name: "pods6", type: "ipv6_addr", flags: ["interval"], elements: [element(parsePrefix("fd00::/64"))] },
  ],
  maps: [
    {
      name: "ports",
      type: ["ipv4_addr", "inet_service"],
      map: "ipv4_addr",
      elements: [[{ concat: ["192.0.2.1", 80] }, element(parseAddress("10.0.0.7"))]],
    },
  ],
  chains: [
    { name: "log", rules: [{ expr: [{ counter: null }, { log: { prefix: "seen" } }] }] },
    {
      name: "postrouting",
      hook: { type: "nat", hook: "postrouting", priority: 100 },
      rules: [
        {
          comment: "pods to outside",
          expr: [{ match: { op: "==", left: source, right: "@pods" } }, { masquerade: { flags: "fully-random" } }],
        },
        { expr: [{ jump: { target: "log" } }] },
      ],
    },
  ],
  ...change,
});

test("a table is as it was asked for, and asking again changes nothing", async () => {
  assert.equal(await nftables.apply(table()), true);
  const ruleset = await listed();
  assert.match(ruleset, /ip saddr @pods masquerade fully-random comment "pods to outside #[0-9a-f]{12}"/);
  assert.match(ruleset, /elements = \{ 1\.2\.3\.4, 10\.0\.0\.0\/24 \}/);
  assert.match(ruleset, /192\.0\.2\.1 \. 80 : 10\.0\.0\.7/);
  assert.equal(await nftables.apply(table()), false);
});

test("elements come and go without the rules being touched", async () => {
  await nftables.apply(table());
  const handles = async (): Promise<string[]> =>
    [...(await run("ip", ["netns", "exec", namespace, "nft", "-a", "list", "ruleset"])).stdout.matchAll(/masquerade.*# handle (\d+)/g)].map(
      (match) => match[1] ?? "",
    );
  const before = await handles();
  const sets = [
    { name: "pods", type: "ipv4_addr", flags: ["interval"], elements: [element(parsePrefix("10.0.0.0/23"))] },
    table().sets?.[1],
  ] as NonNullable<NftTable["sets"]>;
  assert.equal(await nftables.apply(table({ sets })), true);
  assert.match(await listed(), /elements = \{ 10\.0\.0\.0\/23 \}/);
  assert.deepEqual(await handles(), before);
});

test("rules, chains and definitions change in one transaction", async () => {
  await nftables.apply(table());
  const changed = table({
    sets: [{ name: "pods", type: "ipv6_addr", elements: ["fd00::1"] }],
    maps: [{ name: "verdicts", type: "ipv4_addr", map: "verdict", elements: [["10.0.0.1", { jump: { target: "other" } }]] }],
    chains: [
      { name: "other", rules: [{ expr: [{ drop: null }] }] },
      {
        name: "postrouting",
        hook: { type: "filter", hook: "output", priority: 0, policy: "drop" },
        rules: [{ expr: [{ vmap: { key: source, data: "@verdicts" } }] }],
      },
    ],
  });
  assert.equal(await nftables.apply(changed), true);
  assert.equal(await nftables.apply(changed), false);
  const ruleset = await listed();
  assert.doesNotMatch(ruleset, /chain log|map ports|pods6/);
  assert.match(ruleset, /type filter hook output priority filter; policy drop;/);
  assert.equal(await nftables.apply(table()), true);
  assert.equal(await nftables.apply(table()), false);
});

test("what somebody else removed comes back, and other tables are left alone", async () => {
  await nftables.apply(table());
  await run("ip", ["netns", "exec", namespace, "nft", "add", "table", "ip", "foreign"]);
  await run("ip", ["netns", "exec", namespace, "nft", "flush", "chain", "inet", "antrea-test", "postrouting"]);
  assert.equal(await nftables.apply(table()), true);
  assert.match(await listed(), /masquerade/);
  await nftables.remove("inet", "antrea-test");
  await nftables.remove("inet", "antrea-test");
  assert.equal((await listed()).trim(), "table ip foreign {\n}");
});

test("a netdev egress chain hangs on its device", async () => {
  const egress: NftTable = {
    family: "netdev",
    name: "antrea-test",
    chains: [
      {
        name: "mark",
        hook: { type: "filter", hook: "egress", priority: 0, device: "lo" },
        rules: [{ expr: [{ mangle: { key: { payload: { protocol: "ether", field: "saddr" } }, value: "02:00:00:00:00:01" } }] }],
      },
    ],
  };
  assert.equal(await nftables.apply(egress), true);
  assert.equal(await nftables.apply(egress), false);
  await nftables.remove("netdev", "antrea-test");
});

test("a refused transaction leaves the table as it was and says why", async () => {
  await nftables.apply(table());
  const before = await listed();
  const broken = table({ chains: [{ name: "log", rules: [{ expr: [{ jump: { target: "nowhere" } }] }] }] });
  await assert.rejects(nftables.apply(broken), { code: "NFT_FAILED", message: /table inet antrea-test: .*No such file or directory/ });
  assert.equal(await listed(), before);
  await assert.rejects(createNftables({ command: ["/nonexistent/nft"] }).apply(table()), { message: /install the package nftables/ });
});

test("any output of nft is read or refused in words", () => {
  const objects = fc.array(
    fc.oneof(
      fc.jsonValue(),
      fc.record({ chain: fc.jsonValue(), rule: fc.jsonValue(), set: fc.jsonValue(), map: fc.jsonValue() }, { requiredKeys: [] }),
    ),
  );
  const set = fc.record({
    set: fc.record({ name: fc.string(), type: fc.jsonValue(), elem: fc.jsonValue(), flags: fc.jsonValue() }, { requiredKeys: ["name"] }),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        objects.map((nftables) => JSON.stringify({ nftables })),
        fc.array(set).map((nftables) => JSON.stringify({ nftables })),
      ),
      (text) => {
        const decoded = decodePresent(text);
        assert.ok("value" in decoded || decoded.failure.length > 0);
      },
    ),
    { numRuns: 500 },
  );
});

test("the fake keeps the contract", async () => {
  const fake = fakeNftables();
  assert.equal(await fake.apply(table()), true);
  assert.equal(await fake.apply(table()), false);
  assert.deepEqual(fake.dump()["inet antrea-test"], table());
  await fake.remove("inet", "antrea-test");
  assert.deepEqual(fake.dump(), {});
});
