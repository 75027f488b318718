import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePacketInMeters } from "#core/pipeline/packet-in/index.ts";
import { silentLogger } from "#lib/runtime/index.ts";
import { metersToUse } from "./meters.ts";

const wanted = compilePacketInMeters(10);
const highest = Math.max(...wanted.map(({ meter }) => meter));
const { signal } = new AbortController();
const used = (mostMeters: () => Promise<number>) =>
  metersToUse(wanted, { connect: () => Promise.resolve({ mostMeters, close() {} }), logger: silentLogger, signal });

test("meters are used where the datapath has all of them, and none where it has not, or does not say", async () => {
  assert.equal(await used(() => Promise.resolve(highest)), wanted);
  assert.deepEqual(await used(() => Promise.resolve(highest - 1)), []);
  assert.deepEqual(await used(() => Promise.resolve(0)), []);
  assert.deepEqual(await used(() => Promise.reject(new Error("no"))), []);
});

test("without a rate nothing is asked", async () => {
  const connect = () => assert.fail("asked");
  assert.deepEqual(await metersToUse([], { connect, logger: silentLogger, signal }), []);
});
