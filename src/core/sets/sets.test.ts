import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IpAddress, Prefix, parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { blockValues, createIdPool, createMemberIndex, createSetPage, portMasks } from "./index.ts";

test("port masks cover a range exactly, without overlap and in at most 30 parts", () => {
  fc.assert(
    fc.property(fc.nat(65_535), fc.nat(65_535), fc.array(fc.nat(65_535), { minLength: 50, maxLength: 50 }), (a, b, probes) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const masks = portMasks(from, to);
      assert.ok(masks.length <= 30);
      for (const port of [...probes, from, to, from - 1, to + 1]) {
        const hits = masks.filter(({ value, mask }) => (port & mask) === value).length;
        assert.equal(hits, port >= from && port <= to && port >= 0 && port <= 65_535 ? 1 : 0, `${port} in ${from}-${to}`);
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
      const values = blockValues(blocks);
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

test("an address of several members stays until the last one leaves", () => {
  const index = createMemberIndex();
  const shared = parseAddress("10.0.0.1");
  const member = { ips: [shared], ports: [] };
  index.change("g", {
    added: [
      ["a", member],
      ["b", member],
    ],
    removed: [],
  });
  const [held] = index.takeChanges().addresses;
  assert.deepEqual([held?.address, held?.groups], [shared, ["g"]]);
  index.change("g", { added: [], removed: ["a"] });
  assert.deepEqual(held?.groups, ["g"]);
  assert.deepEqual(index.takeChanges().addresses, []);
  index.change("g", { added: [], removed: ["b"] });
  assert.deepEqual([held?.groups, [...index.addressesOf("g")]], [[], []]);
  assert.deepEqual(index.takeChanges().addresses, [held]);
});

test("members with a named port form parts by its number", () => {
  const index = createMemberIndex();
  const web = { protocol: "TCP", name: "web" };
  const declares = (address: string, port: number) => ({ ips: [parseAddress(address)], ports: [{ ...web, port }] });
  index.change("g", { added: [["a", declares("10.0.0.1", 80)]], removed: [] });
  assert.deepEqual([...index.numbers("g", web)], [80]);
  index.takeChanges();
  index.change("g", { added: [["b", declares("10.0.0.2", 8080)]], removed: [] });
  assert.deepEqual([...index.numbers("g", web)].sort(), [80, 8080]);
  assert.deepEqual([...index.takeChanges().numbersOf], ["g"]);
  assert.deepEqual(
    [...index.addressesOf("g#TCP/web=8080")].map(({ key }) => key),
    ["10.0.0.2"],
  );
  index.remove("g");
  assert.deepEqual([...index.numbers("g", web)], []);
});

test("a page gives each set one bit and every address the bits of its sets", () => {
  const index = createMemberIndex();
  const page = createSetPage(0);
  const pod = parseAddress("fd00::1");
  index.change("g1", { added: [["a", { ips: [pod], ports: [] }]], removed: [] });
  const [held] = index.addressesOf("g1");
  assert.ok(held);
  const first = page.take({ key: "s1", kind: "members", groups: ["g1"] });
  const second = page.take({ key: "s2", kind: "members", groups: ["g1", "g2"] });
  page.take({ key: "s3", kind: "members", groups: ["g2"] });
  assert.equal(page.memberBits(held), (1n << BigInt(first ?? -1)) | (1n << BigInt(second ?? -1)));
  page.take({ key: "b", kind: "blocks", blocks: [{ cidr: parsePrefix("10.0.0.0/8"), except: [] }] });
  assert.deepEqual(
    page.takeChangedBlocks()?.map(({ prefix: found, bits }) => [found.toString(), bits]),
    [["10.0.0.0/8", 8n]],
  );
  assert.equal(page.takeChangedBlocks(), undefined);
  page.release("s1");
  assert.equal(page.memberBits(held), 1n << BigInt(second ?? -1));
});

test("a page that is full takes no further set", () => {
  const page = createSetPage(0);
  for (let number = 0; number < 256; number++) assert.equal(page.take({ key: `s${number}`, kind: "members", groups: [] }), number);
  assert.equal(page.fits(["s0", "other"]), false);
  assert.equal(page.take({ key: "other", kind: "members", groups: [] }), undefined);
  assert.equal(page.take({ key: "s9", kind: "members", groups: [] }), 9);
});
