import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IpAddress, Prefix, parseAddress, parsePrefix } from "#lib/ip/index.ts";
import {
  addressOfKey,
  bitsValue,
  blockValues,
  createBitsTable,
  createIdPool,
  createKeyedList,
  createMemberIndex,
  createSetPage,
  newDraft,
  noBits,
  portMasks,
  prefixOfKey,
  setBit,
} from "./index.ts";

test("port masks cover a range exactly, without overlap and in at most 30 parts", () => {
  fc.assert(
    fc.property(fc.nat(65_535), fc.nat(65_535), fc.array(fc.nat(65_535), { minLength: 50, maxLength: 50 }), (a, b, probes) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const masks = portMasks(from, to);
      assert.ok(masks.length <= 30);
      for (const port of [...probes, from, to, Math.max(0, from - 1), Math.min(65_535, to + 1)]) {
        const hits = masks.filter(({ value, mask }) => (port & mask) === value).length;
        assert.equal(hits, port >= from && port <= to ? 1 : 0, `${port} in ${from}-${to}`);
      }
    }),
  );
});

/** Few distinct bits, so that random prefixes nest and random addresses hit. */
const address = fc.oneof(
  fc.nat(255).map((value) => new IpAddress(4, BigInt(value) << 24n)),
  fc.nat(255).map((value) => new IpAddress(6, BigInt(value) << 120n)),
);
const prefix = fc.tuple(address, fc.nat(8)).map(([base, length]) => new Prefix(base, length));
const block = fc.record({ set: fc.nat(5), cidr: prefix, except: fc.array(prefix, { maxLength: 3 }) });

test("the longest prefix tells every set that holds an address", () => {
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), fc.array(address, { minLength: 20, maxLength: 20 }), (blocks, probes) => {
      const values = [...blockValues(blocks, createBitsTable())].map(([key, bits]) => ({
        prefix: prefixOfKey(key),
        bits: bitsValue(bits),
      }));
      for (const probe of probes) {
        const naive = blocks
          .filter(({ cidr, except }) => cidr.contains(probe) && !except.some((inner) => cidr.covers(inner) && inner.contains(probe)))
          .reduce((bits, { set }) => bits | (1n << BigInt(set)), 0n);
        const covering = values.filter((value) => value.prefix.contains(probe)).sort((a, b) => b.prefix.length - a.prefix.length);
        assert.equal(covering[0]?.bits ?? 0n, naive, `${probe}`);
        assert.notEqual(covering[0]?.prefix.length, covering[1]?.prefix.length ?? -1);
      }
    }),
  );
});

test("a released id is given again only after it settled", () => {
  const pool = createIdPool({ first: 1, last: 2 });
  assert.deepEqual([pool.take(), pool.take(2), pool.take()], [1, 2, undefined]);
  pool.release(1);
  assert.equal(pool.take(), undefined);
  pool.settle();
  assert.equal(pool.take(), 1);
});

test("ids that somebody will ask for are given to others last", () => {
  const pool = createIdPool({ first: 1, last: 3, reserved: [1, 2] });
  assert.deepEqual([pool.take(), pool.take(1), pool.take(), pool.take()], [3, 1, 2, undefined]);
});

test("a list tells what a change or another list changes, and keeps equal items as they are", () => {
  const list = createKeyedList((text: string) => text.slice(0, 1));
  assert.deepEqual(list.replace(["a1", "b1"]), { added: ["a1", "b1"], removed: [] });
  assert.deepEqual(list.replace(["b2", "c1"]), { added: ["c1"], removed: ["a1"] });
  assert.deepEqual(list.change({ added: ["b3", "d1"], removed: ["c9", "x"] }), { added: ["d1"], removed: ["c1"] });
  assert.deepEqual([...list.items()], ["b1", "d1"]);
  assert.deepEqual(list.replace([]), { added: [], removed: ["b1", "d1"] });
});

test("what a list held twice leaves once when the list changes", () => {
  const list = createKeyedList((text: string) => text);
  list.replace(["a", "a"]);
  assert.deepEqual(list.change({ added: [], removed: [] }), { added: [], removed: ["a"] });
  assert.deepEqual([...list.items()], ["a"]);
});

interface TestMember {
  readonly name: string;
  readonly ips: readonly IpAddress[];
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
}
const newIndex = () => createMemberIndex<TestMember>(({ name }) => name);

test("an address of several members stays until the last one leaves", () => {
  const index = newIndex();
  const shared = { ips: [parseAddress("10.0.0.1")], ports: [] };
  const [a, b] = [
    { ...shared, name: "a" },
    { ...shared, name: "b" },
  ];
  index.change("g", { added: [a, b], removed: [] });
  const [held] = index.takeChanges().addresses;
  assert.ok(held);
  assert.deepEqual([addressOfKey(held.key), new Set(held.groups)], [parseAddress("10.0.0.1"), new Set(["g"])]);
  index.change("g", { added: [], removed: [a] });
  assert.deepEqual(held.groups, ["g"]);
  index.takeChanges();
  index.change("g", { added: [], removed: [b] });
  assert.deepEqual([held.groups, [...index.addressesOf("g")]], [[], []]);
  assert.deepEqual([...index.takeChanges().addresses], [held]);
});

test("members with a named port form parts by its number", () => {
  const index = newIndex();
  const web = { protocol: "TCP", name: "web" };
  const declares = (name: string, address: string, port: number) => ({ name, ips: [parseAddress(address)], ports: [{ ...web, port }] });
  index.change("g", { added: [declares("a", "10.0.0.1", 80)], removed: [] });
  assert.deepEqual([...index.numbers("g", web)], [80]);
  index.takeChanges();
  index.change("g", { added: [declares("b", "10.0.0.2", 8080)], removed: [] });
  assert.deepEqual([...index.numbers("g", web)].sort(), [80, 8080]);
  assert.deepEqual([...index.takeChanges().numbersOf], ["g"]);
  assert.deepEqual(
    [...index.addressesOf("g#TCP/web=8080")].map(({ key, groups }) => [String(addressOfKey(key)), groups]),
    [["10.0.0.2", ["g", "g#TCP/web=8080"]]],
  );
  index.remove("g");
  assert.deepEqual([...index.numbers("g", web)], []);
});

test("equal bits are one object, no bits are none", () => {
  const table = createBitsTable();
  const draft = newDraft();
  assert.equal(table.intern(draft), noBits);
  for (const bit of [0, 31, 32, 255]) setBit(draft, bit, true);
  const bits = table.intern(draft);
  assert.equal(table.intern(draft), bits);
  assert.equal(bitsValue(bits), 1n | (1n << 31n) | (1n << 32n) | (1n << 255n));
  setBit(draft, 31, false);
  assert.notEqual(table.intern(draft), bits);
  table.keep([bits]);
  assert.equal(table.size, 1);
  setBit(draft, 31, true);
  assert.equal(table.intern(draft), bits);
});

test("a page gives each set one bit and every address the bits of its sets", () => {
  const page = createSetPage(0);
  const memberBits = (...groups: string[]): bigint => {
    const draft = newDraft();
    page.draftMembers(groups, draft);
    return bitsValue(createBitsTable().intern(draft));
  };
  const first = page.take({ key: "s1", kind: "members", groups: ["g1"] });
  const second = page.take({ key: "s2", kind: "members", groups: ["g1", "g2"] });
  page.take({ key: "s3", kind: "members", groups: ["g2"] });
  assert.equal(memberBits("g1", "g1", "other"), (1n << BigInt(first ?? -1)) | (1n << BigInt(second ?? -1)));
  page.take({ key: "b", kind: "blocks", blocks: [{ cidr: parsePrefix("10.0.0.0/8"), except: [] }] });
  assert.deepEqual(
    page.takeChangedBlocks()?.map(({ cidr, set }) => [cidr.toString(), set]),
    [["10.0.0.0/8", 3]],
  );
  assert.equal(page.takeChangedBlocks(), undefined);
  page.release("s1");
  assert.equal(memberBits("g1"), 1n << BigInt(second ?? -1));
});

test("a page that is full takes no further set", () => {
  const page = createSetPage(0);
  for (let number = 0; number < 256; number++) assert.equal(page.take({ key: `s${number}`, kind: "members", groups: [] }), number);
  assert.equal(page.fits(["s0", "other"]), false);
  assert.equal(page.take({ key: "other", kind: "members", groups: [] }), undefined);
  assert.equal(page.take({ key: "s9", kind: "members", groups: [] }), 9);
});
