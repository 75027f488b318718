import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, longestOutage } from "./verdicts.ts";

const samples = (...verdicts: string[]) => verdicts.map((verdict, index) => ({ at: 1_000_000 + index * 1_000, verdict }));

test("a closed way that answers once is wrong, whatever was killed", () => {
  const way = { name: "closed-v4", open: false };
  const kills = [{ at: 1_000_500, process: "node-2/ovs-vswitchd" }];
  assert.deepEqual(judge(way, samples("drop", "drop", "refused"), kills), []);
  assert.deepEqual(judge(way, samples("drop", "ok"), kills), [
    "closed-v4: open at 1970-01-01T00:16:41.000Z, 0.5 s after the kill of node-2/ovs-vswitchd",
  ]);
});

test("an open way may be silent after a kill of vswitchd or its database, for a while, and after no other", () => {
  const way = { name: "open-v4", open: true };
  const silent = samples("ok", "drop", "ok");
  assert.deepEqual(judge(way, silent, [{ at: 1_000_900, process: "node-1/ovs-vswitchd" }]), []);
  assert.deepEqual(judge(way, silent, [{ at: 1_000_900, process: "node-2/ovsdb-server" }]), []);
  assert.equal(judge(way, silent, [{ at: 1_000_900, process: "node-1/antrea-agent" }]).length, 1);
  assert.equal(judge(way, silent, []).length, 1);
  const forLong = samples("ok", ...Array.from({ length: 30 }, () => "drop"));
  assert.equal(judge(way, forLong, [{ at: 1_000_900, process: "node-1/ovs-vswitchd" }]).length, 10);
});

test("a held connection may be lost after a kill or a stop of the data path, and after no other", () => {
  const way = { name: "held-v4", open: true };
  const lost = samples("ok", "lost", "ok");
  assert.deepEqual(judge(way, lost, [{ at: 1_000_900, process: "node-1/ovs-vswitchd" }]), []);
  assert.deepEqual(judge(way, lost, [{ at: 976_000, process: "node-1/ovs-vswitchd", until: 982_000 }]), []);
  assert.deepEqual(judge(way, lost, [{ at: 1_000_900, process: "node-1/antrea-agent", until: 1_003_000 }]), [
    "held-v4: lost at 1970-01-01T00:16:41.000Z, 0.1 s after the stop of node-1/antrea-agent",
  ]);
});

test("a way without samples is not taken for a good one; outages are told", () => {
  assert.deepEqual(judge({ name: "open-v6", open: true }, [], []), ["open-v6: there is no sample"]);
  assert.equal(longestOutage(samples("ok", "drop", "drop", "ok", "ok")), 3_000);
  assert.equal(longestOutage([]), 0);
});
