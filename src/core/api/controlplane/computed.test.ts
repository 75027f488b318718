import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { afterAdopting, hasPartOnly, isOlder, lackOf, together } from "./computed.ts";
import type { ComputedRevisions } from "./types.ts";

const cluster = "c";

/** A replica that heard the events of one history, some of them only by a list: the model that the comparison has to be right about. */
interface Replica {
  readonly reached: number;
  readonly changed: number;
}
const told = ({ reached, changed }: Replica, cutOffSince?: string): ComputedRevisions => ({
  cluster,
  pods: String(reached),
  namespaces: "7",
  networkpolicies: "7",
  changed: { pods: String(changed), namespaces: "3" },
  ...(cutOffSince !== undefined && { cutOffSince }),
});

test("a replica that was quiet since before another started is not behind it", () => {
  const old = told({ reached: 1_000, changed: 800 });
  const restarted = told({ reached: 1_500, changed: 800 });
  assert.equal(lackOf(old, restarted), undefined);
  assert.equal(lackOf(restarted, old), undefined);
});

test("a replica that lacks a change is behind, whatever it says of other inputs", () => {
  const enforced = told({ reached: 1_500, changed: 1_200 });
  assert.deepEqual(lackOf(told({ reached: 1_100, changed: 1_100 }), enforced), { input: "pods", seen: "1100", known: "1200" });
  const others: ComputedRevisions = { ...enforced, others: { Tier: "9" }, changed: { ...enforced.changed, Tier: "20" } };
  assert.deepEqual(lackOf({ ...enforced, others: { Tier: "19" } }, others), { input: "Tier", seen: "19", known: "20" });
  assert.equal(lackOf({ ...enforced, cluster: "another" }, others), undefined);
  assert.equal(lackOf({ ...enforced }, others), undefined, "a controller without that kind is not asked for it");
});

test("one that lost the API has to have reached all that was reached", () => {
  const restarted = told({ reached: 1_500, changed: 800 });
  assert.deepEqual(lackOf(told({ reached: 1_000, changed: 800 }, "2026-01-01T00:00:00Z"), restarted)?.input, "pods");
  assert.equal(lackOf(told({ reached: 1_500, changed: 800 }, "2026-01-01T00:00:00Z"), restarted), undefined);
});

test("a controller that tells no changes is compared by what was reached", () => {
  const { changed: _, ...older } = told({ reached: 1_500, changed: 0 });
  assert.equal(lackOf(told({ reached: 1_499, changed: 3 }), older)?.known, "1500");
  assert.equal(lackOf(older, told({ reached: 9_999, changed: 1_500 })), undefined);
});

test("an agent that goes from replica to replica is never led back, however they started", () => {
  const change = fc.nat(200);
  const replica = fc.record({ listedAt: change, heardUntil: change });
  fc.assert(
    fc.property(fc.uniqueArray(change, { minLength: 1 }), fc.array(replica, { minLength: 2 }), (versions, replicas) => {
      let enforced: ComputedRevisions | undefined;
      // The newest event that some adopted replica heard as such: what the agent enforces contains it.
      let contained = -1;
      for (const { listedAt, heardUntil } of replicas) {
        const reached = Math.max(listedAt, heardUntil);
        const events = versions.filter((version) => version > listedAt && version <= reached);
        const changed = Math.max(0, ...events);
        const offer = told({ reached, changed });
        const adopts = enforced === undefined || lackOf(offer, enforced) === undefined;
        assert.equal(adopts, reached >= contained, "an offer that has it all is taken, one that lacks a change is not");
        if (!adopts) continue;
        enforced = afterAdopting(enforced, offer);
        contained = Math.max(contained, changed);
      }
    }),
  );
});

test("streams of one controller together have reached what the slowest has", () => {
  const both = together(told({ reached: 5, changed: 5 }), told({ reached: 12, changed: 10 }));
  assert.deepEqual([both.pods, both.changed?.pods], ["5", "10"]);
  const since = "2026-01-01T00:00:00Z";
  assert.ok(hasPartOnly(both) && hasPartOnly({ ...both, cutOffSince: since }), "of what is between the two, a part was told");
  assert.equal(hasPartOnly(told({ reached: 12, changed: 10 }, since)), false);
  const { changed: _, ...silent } = both;
  assert.equal(hasPartOnly(silent), false, "it does not say what changed");
});

test("versions are compared as numbers of any size, and nothing else is", () => {
  assert.ok(isOlder("9", "10"));
  assert.ok(isOlder("99999999999999999998", "99999999999999999999"));
  for (const [one, other] of [
    ["10", "9"],
    ["x", "9"],
    ["", "9"],
    ["08", "9"],
    ["9", "9"],
  ] as const)
    assert.equal(isOlder(one, other), false);
});
