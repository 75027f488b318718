import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { classIn, type DnsMessage, recordType } from "#lib/dns/index.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { virtualClock } from "#lib/runtime/clock.ts";
import { hours, seconds } from "#lib/runtime/duration.ts";
import {
  answersOf,
  createFqdnCache,
  type FqdnCache,
  type FqdnPatch,
  fqdnLimits,
  parsePattern,
  readFqdnSnapshot,
  writeFqdnSnapshot,
} from "./index.ts";

const pod = { by: "pod", pod: "shop/web" } as const;
const agent = { by: "agent" } as const;
const texts = (addresses: readonly IpAddress[]): string[] => addresses.map(String).sort();
const says = (name: string, ...records: readonly (readonly [address: string, ttl: number])[]) => ({
  name,
  families: [4, 6] as const,
  addresses: records.map(([address, ttl]) => ({ address: parseAddress(address), ttl })),
});

test("patterns: whole name, any case, * for any run with dots, none included", () => {
  const cases: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ["GitHub.com.", ["github.com"], ["www.github.com", "github.com.evil", "xgithub.com"]],
    ["*github.com", ["github.com", "api.github.com", "evilgithub.com"], ["github.com.x", "github\\046com"]],
    ["*.github.com", ["api.github.com", "a.b.github.com", ".github.com"], ["github.com"]],
    ["a*b*c", ["abc", "axbxc", "abbcc", "a.b.c"], ["ac", "abcd", "acb"]],
    ["*aa*aa", ["aaaa", "xaayaa"], ["aaa", "aaaab"]],
    ["*", ["", "anything.at.all"], []],
    ["www.*.com", ["www..com", "www.a.b.com"], ["www.com"]],
    ["_dns.example.com", ["_dns.example.com"], ["dns.example.com"]],
  ];
  for (const [text, yes, no] of cases) {
    const pattern = parsePattern(text);
    assert.ok(pattern);
    for (const name of yes) assert.ok(pattern.matches(name), `${text} ${name}`);
    for (const name of no) assert.ok(!pattern.matches(name), `${text} not ${name}`);
  }
  for (const bad of ["", ".", "a b", "ä", "a".repeat(256), "a;b"]) assert.equal(parsePattern(bad), undefined, bad);
});

test("patterns mean what the same regular expression means", () => {
  const letters = fc.constantFrom("a", "b", ".", "*");
  fc.assert(
    fc.property(
      fc.array(letters, { minLength: 1, maxLength: 9 }),
      fc.array(fc.constantFrom("a", "b", "."), { maxLength: 9 }),
      (text, name) => {
        const pattern = parsePattern(text.join(""));
        if (pattern === undefined) return;
        const expression = new RegExp(`^${pattern.text.replaceAll(".", "\\.").replaceAll(/\*+/g, ".*")}$`);
        assert.equal(pattern.matches(name.join("")), expression.test(name.join("")));
      },
    ),
    { numRuns: 2_000 },
  );
});

test("what an answer tells: the question's name, its aliases' addresses, nothing of failures, queries and cut answers without addresses", () => {
  const message: DnsMessage = {
    id: 1,
    response: true,
    opcode: 0,
    rcode: 0,
    questions: [{ name: "WwW.Example.com", type: recordType.a, class: classIn }],
    answers: [
      { kind: "alias", name: "www.example.com", class: classIn, ttl: 1, target: "cdn.net" },
      { kind: "address", name: "cdn.net", class: classIn, ttl: 60, address: parseAddress("10.0.0.1") },
      { kind: "other", name: "cdn.net", class: classIn, ttl: 60, type: recordType.txt, bytes: new Uint8Array(1) },
    ],
  };
  assert.deepEqual(answersOf(message), [
    { name: "www.example.com", families: [4], addresses: [{ address: parseAddress("10.0.0.1"), ttl: 60 }] },
  ]);
  assert.deepEqual(answersOf({ ...message, response: false }), []);
  assert.deepEqual(answersOf({ ...message, rcode: 2 }), []);
  assert.deepEqual(answersOf({ ...message, rcode: 3, answers: [] }), [{ name: "www.example.com", families: [4], addresses: [] }]);
  assert.deepEqual(answersOf({ ...message, truncated: true, answers: [] }), []);
  assert.deepEqual(answersOf({ ...message, truncated: true })[0]?.families, []);
  assert.deepEqual(answersOf({ ...message, questions: [{ name: "x", type: recordType.txt, class: classIn }] }), []);
});

test("an answer joins the sets whose patterns match, is waited for, and is told with its provenance", () => {
  const cache = createFqdnCache();
  assert.deepEqual(cache.setSet("allow", { patterns: ["*.example.com"], denies: false }, 0), []);
  cache.setSet("deny", { patterns: ["www.example.com", "not a pattern!"], denies: true }, 0);

  const first = cache.learn(says("www.example.com", ["10.0.0.1", 30], ["fd00::1", 30]), { from: pod, now: 1_000 });
  assert.deepEqual(
    first.patches.map(({ set, added }) => [set, texts(added)]),
    [
      ["deny", ["10.0.0.1", "fd00::1"]],
      ["allow", ["10.0.0.1", "fd00::1"]],
    ],
  );
  assert.deepEqual([first.matched, first.denied, first.revision], [true, true, cache.revision]);
  // Seen again: nothing changes, yet the client has to wait for the change before.
  const again = cache.learn(says("www.example.com", ["10.0.0.1", 30]), { from: pod, now: 2_000 });
  assert.deepEqual([again.patches, again.revision], [[], first.revision]);
  const other = cache.learn(says("api.example.com", ["10.0.0.1", 30]), { from: pod, now: 2_000 });
  assert.deepEqual([other.patches, other.denied, other.revision], [[], false, first.revision]);
  assert.deepEqual(cache.learn(says("example.org", ["10.0.0.9", 30]), { from: pod, now: 2_000 }), {
    patches: [],
    matched: false,
    denied: false,
    revision: 0,
  });
  assert.deepEqual(cache.rows("www.*")[0]?.addresses[0]?.learned, { by: "pod", pod: "shop/web", at: 2_000, ttl: 30 });
  // 10.0.0.1 stays while api.example.com has it.
  cache.removeSet("deny", 3_000);
  assert.deepEqual(
    cache.setSet("allow", { patterns: ["api.example.com"], denies: false }, 3_000).map(({ removed }) => texts(removed)),
    [["fd00::1"]],
  );
  assert.deepEqual(texts(cache.members("allow")), ["10.0.0.1"]);
});

test("an address stays for its TTL or the least TTL, leaves with the next answer of its family, and not while a connection has it", () => {
  const expiry = (minTtl: number): string[] => {
    const cache = createFqdnCache({ minTtl: seconds(minTtl) });
    cache.setSet("s", { patterns: ["a.test"], denies: false }, 0);
    cache.learn(says("a.test", ["10.0.0.1", 5]), { from: pod, now: 0 });
    return [4, 6, 21].map((at) => {
      cache.learn(says("a.test", ["10.0.0.2", 60]), { from: agent, now: seconds(at) });
      return texts(cache.members("s")).join();
    });
  };
  assert.deepEqual(expiry(0), ["10.0.0.1,10.0.0.2", "10.0.0.2", "10.0.0.2"]);
  assert.deepEqual(expiry(20), ["10.0.0.1,10.0.0.2", "10.0.0.1,10.0.0.2", "10.0.0.2"]);

  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["a.test"], denies: false }, 0);
  cache.learn(says("a.test", ["10.0.0.1", 1], ["fd00::1", 1]), { from: pod, now: 0 });
  // No answer came: what is known stands.
  assert.deepEqual(cache.due(hours(1), 10), [{ name: "a.test", families: [4, 6] }]);
  assert.equal(cache.members("s").length, 2);
  cache.learn({ name: "a.test", families: [4], addresses: [] }, { from: agent, now: seconds(5), inUse: () => true });
  assert.equal(cache.members("s").length, 2);
  cache.learn({ name: "a.test", families: [4], addresses: [] }, { from: agent, now: seconds(6) });
  assert.deepEqual(texts(cache.members("s")), ["fd00::1"]);
});

test("names are asked for before they expire, at once when a rule spells them out, and less often while no answer comes", () => {
  const clock = virtualClock({ epoch: 0 });
  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["a.test", "*.b.test"], denies: false }, clock.wall());
  const asked: string[] = [];
  const tick = (answer: boolean): void => {
    for (const { name } of cache.due(clock.wall(), 100)) {
      asked.push(`${name}@${clock.wall() / 1_000}`);
      if (answer) cache.learn(says(name, ["10.0.0.1", 10]), { from: agent, now: clock.wall() });
    }
  };
  const run = (until: number, answer: boolean): string[] => {
    asked.length = 0;
    for (; clock.wall() < seconds(until); clock.advance(seconds(1))) tick(answer);
    return [...asked];
  };
  assert.deepEqual(run(16, false), ["a.test@0", "a.test@1", "a.test@3", "a.test@7", "a.test@15"]);
  clock.advance(seconds(84));
  assert.deepEqual(run(120, true), ["a.test@100", "a.test@109", "a.test@118"]);
  // A TTL of nothing does not make the agent ask all the time.
  cache.learn(says("x.b.test", ["10.0.0.2", 0]), { from: pod, now: clock.wall() });
  assert.deepEqual(cache.due(clock.wall(), 100), []);
  clock.advance(seconds(1));
  assert.deepEqual(
    cache.due(clock.wall(), 100).map(({ name }) => name),
    ["x.b.test"],
  );
});

test("wildcards discover no more than their bounds; the longest unused names go, spelled-out names never", () => {
  const limits = { ...fqdnLimits, namesPerPattern: 3, names: 4, addressesPerName: 5, addresses: 1_000 };
  const cache = createFqdnCache({ limits });
  cache.setSet("wild", { patterns: ["*.a.test"], denies: false }, 0);
  cache.setSet("other", { patterns: ["*.b.test", "exact.test"], denies: false }, 0);
  const resolve = (name: string, address: string): readonly FqdnPatch[] =>
    cache.learn(says(name, [address, 60]), { from: pod, now: 0 }).patches;
  resolve("exact.test", "10.9.0.1");
  for (const host of ["1", "2", "3"]) resolve(`${host}.a.test`, `10.0.0.${host}`);
  resolve("1.a.test", "10.0.0.1");
  assert.deepEqual(
    resolve("4.a.test", "10.0.0.4").map(({ added, removed }) => [texts(added), texts(removed)]),
    [[["10.0.0.4"], ["10.0.0.2"]]],
  );
  for (const host of ["1", "2", "3"]) resolve(`${host}.b.test`, `10.1.0.${host}`);
  assert.deepEqual(
    cache.rows().map(({ name }) => name),
    ["1.b.test", "2.b.test", "3.b.test", "4.a.test", "exact.test"],
  );
  assert.deepEqual(cache.figures(), { names: 5, addresses: 5, evicted: { selector_limit: 1, total_limit: 2 }, addressesDropped: 0 });
  // Names that do not exist take no room.
  for (let turn = 0; turn < 100; turn++) cache.learn(says(`no-${turn}.a.test`), { from: pod, now: 0 });
  assert.equal(cache.figures().names, 5);
  const many = Array.from({ length: 10_000 }, (_, index) => [`10.2.${index >> 8}.${index & 255}`, 60] as const);
  cache.learn(says("exact.test", ...many), { from: pod, now: 0 });
  assert.deepEqual([cache.members("other").length, cache.figures().addressesDropped], [5 + 3, 9_996]);
});

test("also names that are spelled out have no more addresses than there may be in all; the latest answer's stay", () => {
  const cache = createFqdnCache({ limits: { ...fqdnLimits, addresses: 10, addressesPerName: 8 } });
  cache.setSet("s", { patterns: ["one.test", "two.test"], denies: false }, 0);
  const eight = (net: number) => Array.from({ length: 8 }, (_, host) => [`10.${net}.0.${host}`, 60 - host] as const);
  cache.learn(says("one.test", ...eight(1)), { from: pod, now: 0 });
  cache.learn(says("one.test", ...eight(2)), { from: pod, now: 0 });
  assert.deepEqual(
    cache.members("s").map(String),
    eight(2).map(([address]) => address),
  );
  cache.learn(says("two.test", ...eight(3)), { from: pod, now: 0 });
  assert.deepEqual(cache.members("s").slice(8).map(String), ["10.3.0.0", "10.3.0.1"]);
  assert.deepEqual([cache.figures().addresses, cache.figures().addressesDropped], [10, 8 + 6]);
});

test("patterns that no answer ever met are told, with the time since when", () => {
  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["typo.exmaple.com", "*.real.test"], denies: false }, 7);
  cache.learn(says("a.real.test", ["10.0.0.1", 1]), { from: pod, now: 8 });
  assert.deepEqual(cache.neverSeen(), [{ pattern: "typo.exmaple.com", since: 7 }]);
});

test("a restart knows what was known: addresses, times and provenance, for the sets that still ask", () => {
  const before = createFqdnCache();
  before.setSet("s", { patterns: ["*.test"], denies: false }, 0);
  before.learn(says("a.test", ["10.0.0.1", 30], ["fd00::1", 30]), { from: { ...pod, server: "10.96.0.10" }, now: 5 });
  before.learn(says("b.test", ["10.0.0.2", 30]), { from: agent, now: 6 });
  const text = writeFqdnSnapshot(before.snapshot());
  const known = readFqdnSnapshot(text);
  assert.deepEqual(known, before.snapshot());

  const after = createFqdnCache({ known });
  assert.deepEqual(writeFqdnSnapshot(after.snapshot()), text);
  assert.deepEqual(
    after.setSet("s", { patterns: ["a*"], denies: false }, hours(1)).map(({ added }) => texts(added)),
    [["10.0.0.1", "fd00::1"]],
  );
  assert.deepEqual(
    after.due(hours(1), 10).map(({ name }) => name),
    ["a.test"],
  );
  after.complete();
  assert.deepEqual(
    after.snapshot().names.map(({ name }) => name),
    ["a.test"],
  );
});

test("a damaged snapshot is refused, whatever is wrong with it", () => {
  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["*.test"], denies: false }, 0);
  cache.learn(says("a.test", ["10.0.0.1", 30]), { from: pod, now: 5 });
  const text = writeFqdnSnapshot(cache.snapshot());
  fc.assert(
    fc.property(fc.nat(text.length - 2), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
      const damaged = text.slice(0, at) + character + text.slice(at + 1);
      if (damaged === text) return;
      assert.throws(() => readFqdnSnapshot(damaged), { code: "DAMAGED_FQDN_SNAPSHOT" });
    }),
  );
  assert.throws(() => readFqdnSnapshot(""), { code: "DAMAGED_FQDN_SNAPSHOT" });
});

// Against the plain meaning: after any sequence, each set has the addresses of the names its patterns match, and patches alone lead there.
test("any sequence of sets and answers gives the members that the words say, through patches alone", () => {
  const names = ["a.test", "b.test", "a.b.test", "c.example"] as const;
  const patterns = ["a.test", "*.test", "*b*", "c.example", "*"] as const;
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("set" as const),
      id: fc.constantFrom("x", "y", "z"),
      patterns: fc.subarray([...patterns], { maxLength: 2 }),
    }),
    fc.record({ kind: fc.constant("remove" as const), id: fc.constantFrom("x", "y", "z") }),
    fc.record({
      kind: fc.constant("learn" as const),
      name: fc.constantFrom(...names),
      hosts: fc.uniqueArray(fc.nat(3), { maxLength: 3 }),
      ttl: fc.nat(4),
      byPod: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("restart" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let cache: FqdnCache = createFqdnCache();
      let now = 0;
      const sets = new Map<string, readonly string[]>();
      const mirror = new Map<string, Set<string>>();
      const known = new Map<string, Map<string, number>>();
      const apply = (patches: readonly FqdnPatch[]): void => {
        for (const { set, added, removed } of patches) {
          const members = mirror.get(set) ?? new Set();
          mirror.set(set, members);
          for (const address of removed) assert.ok(members.delete(String(address)), `${address} was no member of ${set}`);
          for (const address of added) assert.ok(!members.has(String(address)) && members.add(String(address)));
        }
      };
      const wanted = (name: string): boolean => [...sets.values()].flat().some((text) => parsePattern(text)?.matches(name));
      for (const action of steps) {
        now += 1_000;
        if (action.kind === "set") {
          sets.set(action.id, action.patterns);
          apply(cache.setSet(action.id, { patterns: action.patterns, denies: false }, now));
        } else if (action.kind === "remove") {
          sets.delete(action.id);
          mirror.delete(action.id);
          cache.removeSet(action.id, now);
        } else if (action.kind === "restart") {
          cache = createFqdnCache({ known: readFqdnSnapshot(writeFqdnSnapshot(cache.snapshot())) });
          mirror.clear();
          for (const [id, list] of sets) apply(cache.setSet(id, { patterns: list, denies: false }, now));
          cache.complete();
        } else {
          const records = action.hosts.map((host) => [`10.0.0.${host}`, action.ttl] as const);
          apply(cache.learn(says(action.name, ...records), { from: action.byPod ? pod : agent, now }).patches);
          if (wanted(action.name)) {
            const rows = known.get(action.name) ?? new Map<string, number>();
            known.set(action.name, rows);
            for (const [address, ttl] of records) rows.set(address, Math.max(rows.get(address) ?? 0, now + seconds(ttl)));
            for (const [address, expires] of rows) if (expires <= now && !records.some(([one]) => one === address)) rows.delete(address);
          }
        }
        for (const name of [...known.keys()]) if (!wanted(name)) known.delete(name);
        for (const [id, list] of sets) {
          const meant = [...known].flatMap(([name, rows]) =>
            list.some((text) => parsePattern(text)?.matches(name)) ? [...rows.keys()] : [],
          );
          assert.deepEqual(texts(cache.members(id)), [...new Set(meant)].sort(), `members of ${id}`);
          assert.deepEqual([...(mirror.get(id) ?? [])].sort(), [...new Set(meant)].sort(), `patches of ${id}`);
        }
      }
    }),
    { numRuns: 400 },
  );
});
