import assert from "node:assert/strict";
import { test } from "node:test";
import type { RemoteNode } from "#core/pipeline/rows.ts";
import { IpAddress, parseAddress } from "#lib/ip/index.ts";
import { createMemoryNetwork } from "#lib/netlink/index.ts";
import { decodeFrame } from "#lib/packet/index.ts";
import { type Duration, milliseconds, minutes, seconds, silentLogger, systemRuntime, virtualClock } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { keepTunnelNeighbours } from "./tunnel-neighbours.ts";

/** A node 10.0.0.1 and 2001:db8::1 on its link, with `count` others; `askedIn` lets time pass, and says how often each was asked for in it; of no time, what is asked at once. */
async function createLink(count: number) {
  const network = createMemoryNetwork();
  const linkIndex = network.addLink({ name: "eth0", mtu: 1_500 });
  network.addAddress({ linkIndex, address: parseAddress("10.0.0.1"), prefixLength: 8 });
  network.addAddress({ linkIndex, address: parseAddress("2001:db8::1"), prefixLength: 64 });
  const remoteNodes = createTable<RemoteNode>({ name: "remote nodes", key: ({ name }) => name });
  const add = (number: number): void => {
    const addresses = [new IpAddress(4, 0x0a010000n + BigInt(number)), parseAddress(`2001:db8::2:${number.toString(16)}`)];
    remoteNodes.upsert({ name: `node-${number}`, podCIDRs: [], transportAddresses: addresses });
  };
  for (let number = 0; number < count; number++) add(number);
  let asked: string[] = [];
  const { home } = network.connect();
  const sendFrames = async (_: number, frames: readonly Uint8Array[]): Promise<void> => {
    for (const frame of frames) {
      const packet = decodeFrame(frame)?.payload;
      if (packet?.kind === "arp") asked.push(`${packet.targetAddress}`);
      else if (packet?.kind === "ipv6") asked.push("of the other family");
    }
  };
  const clock = virtualClock();
  const stopping = new AbortController();
  keepTunnelNeighbours({
    runtime: { ...systemRuntime(), clock, logger: silentLogger },
    home: { ...home, sendFrames },
    transportInterface: "eth0",
    remoteNodes,
    signal: stopping.signal,
  });
  const askedIn = async (time: Duration): Promise<ReadonlyMap<string, number>> => {
    asked = [];
    // What a turn asks of the network takes some promises, and no time.
    const settled = async (): Promise<void> => {
      for (let each = 0; each < 20; each++) await Promise.resolve();
    };
    await settled();
    for (let turn = 0; turn < time / milliseconds(200); turn++) {
      clock.advance(milliseconds(200));
      await settled();
    }
    const counts = new Map<string, number>();
    for (const each of asked) counts.set(each, (counts.get(each) ?? 0) + 1);
    return counts;
  };
  return { add, askedIn, remove: (number: number) => remoteNodes.delete(`node-${number}`), stop: () => stopping.abort() };
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, each) => all + each, 0);

test("a node that appears is asked at once by both families, less and less often for a minute, and with all others every five", async () => {
  const link = await createLink(0);
  assert.equal(sum(await link.askedIn(seconds(1))), 0, "nobody is there");
  link.add(7);
  assert.deepEqual(
    [...(await link.askedIn(seconds(0)))],
    [
      ["10.1.0.7", 1],
      ["of the other family", 1],
    ],
  );
  const laterAsked = (await link.askedIn(minutes(1))).get("10.1.0.7") ?? 0;
  assert.ok(laterAsked >= 5 && laterAsked <= 10, `asked ${laterAsked} times in the minute`);
  assert.equal(sum(await link.askedIn(minutes(3))), 0, "nobody asks a node that had its time");
  assert.equal((await link.askedIn(minutes(5))).get("10.1.0.7"), 1, "its MAC address would be forgotten");
  link.stop();
});

test("a node that goes is asked no more, one that comes back is", async () => {
  const link = await createLink(1);
  assert.equal((await link.askedIn(seconds(0))).get("10.1.0.0"), 1);
  link.remove(0);
  assert.equal(sum(await link.askedIn(minutes(6))), 0);
  link.add(0);
  assert.equal((await link.askedIn(seconds(0))).get("10.1.0.0"), 1);
  link.stop();
});

test("a thousand nodes are asked in turn, at most 200 in a second", async () => {
  const link = await createLink(1_000);
  const all = new Set<string>((await link.askedIn(seconds(0))).keys());
  for (let second = 0; second < 5; second++) {
    const counts = await link.askedIn(seconds(1));
    assert.ok(sum(counts) <= 400, `${sum(counts)} requests in a second`);
    for (const address of counts.keys()) all.add(address);
  }
  assert.equal(all.size, 1_001, "each was asked in five seconds, and by the other family");
  const minute = sum(await link.askedIn(minutes(1)));
  assert.ok(minute <= 10 * 2_000, `${minute} requests in a minute`);
  link.stop();
});
