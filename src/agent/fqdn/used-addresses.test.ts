import assert from "node:assert/strict";
import { test } from "node:test";
import { createFqdnCache } from "#core/fqdn/index.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { refreshNames } from "./refresh.ts";
import { destinationsIn } from "./tracked-connections.ts";
import { createUsedAddresses } from "./used-addresses.ts";

const [old, fresh] = [parseAddress("10.0.0.1"), parseAddress("10.0.0.2")];
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

test("an address of a live connection stays beyond its time, with where it was learned, until the connection is gone", async () => {
  const clock = virtualClock();
  const runtime = { clock, random: seededRandom(1), logger: silentLogger };
  const stop = new AbortController();
  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["a.test"], denies: false }, clock.wall());
  const begun = clock.wall();
  const from = { by: "pod", pod: "shop/web" } as const;
  cache.learn({ name: "a.test", families: [4], addresses: [{ address: old, ttl: 30 }] }, { from, now: begun });
  let connections: readonly IpAddress[] = [old];
  let looks = 0;
  const used = createUsedAddresses({
    runtime,
    connections: async () => {
      looks++;
      return connections;
    },
  });
  const resolver = {
    resolve: async (name: string, family: 4 | 6) => ({
      name,
      families: [family],
      addresses: family === 4 ? [{ address: fresh, ttl: 30 }] : [],
    }),
  };
  refreshNames({ runtime, cache, resolver, apply: () => {}, used, signal: stop.signal }).poke();
  const pass = async (time: number): Promise<void> => {
    for (let left = time; left > 0; left--) {
      clock.advance(seconds(1));
      await settled();
    }
  };
  const known = (): string[] => cache.rows().flatMap(({ addresses }) => addresses.map(({ address }) => String(address)));
  await pass(120);
  assert.deepEqual(known(), [String(old), String(fresh)]);
  assert.deepEqual(cache.rows()[0]?.addresses[0]?.learned, { ...from, at: begun, ttl: 30 });
  assert.ok(looks > 0 && looks < 24, `${looks} looks in 120 s`);
  connections = [];
  await pass(120);
  assert.deepEqual(known(), [String(fresh)]);
  stop.abort();
});

test("nothing is kept when connections cannot be looked at, nor where nobody looks", async () => {
  const runtime = { clock: virtualClock(), logger: silentLogger };
  const broken = createUsedAddresses({ runtime, connections: () => Promise.reject(new Error("no socket")) });
  assert.equal(broken.has(old), true);
  await broken.look();
  assert.equal(broken.has(old), false);
  assert.equal(createUsedAddresses({ runtime, connections: undefined }).has(old), false);
});

test("the tracker's text: whom connections lead to and who answers them, without those that are over", () => {
  const text = [
    "tcp,orig=(src=10.10.0.2,dst=10.96.0.1,sport=40000,dport=80),reply=(src=10.10.0.4,dst=10.10.0.2,sport=8080,dport=40000),zone=65520,labels=0x1,protoinfo=(state=ESTABLISHED)",
    "tcp,orig=(src=10.10.0.2,dst=10.10.0.5,sport=40001,dport=80),reply=(src=10.10.0.5,dst=10.10.0.2,sport=80,dport=40001),zone=65520,protoinfo=(state=TIME_WAIT)",
    "udp,orig=(src=fd00::2,dst=fd00::3,sport=5,dport=53),reply=(src=fd00::3,dst=fd00::2,sport=53,dport=5),zone=65510",
    "udp,orig=(src=",
    "",
  ].join("\n");
  assert.deepEqual(destinationsIn(text).map(String), ["10.96.0.1", "10.10.0.4", "fd00::3"]);
});
