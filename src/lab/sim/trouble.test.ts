import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds, virtualClock } from "#lib/runtime/index.ts";
import { createTroubles, enforcedWithin, recovery } from "./trouble.ts";

const unseen = (at: number): number => seconds(at) - enforcedWithin;

test("trouble that ended is over when there was time to catch up", () => {
  const clock = virtualClock();
  const troubles = createTroubles({ clock });
  clock.advance(seconds(10));
  const end = troubles.begin("node-1");
  clock.advance(seconds(10));
  assert.deepEqual([troubles.oldestUnseen("node-1"), troubles.oldestUnseen("node-2")], [unseen(10), unseen(20)]);
  end();
  clock.advance(recovery);
  assert.equal(troubles.has("node-1"), true);
  clock.advance(1);
  assert.equal(troubles.has("node-1"), false);
});

test("who is cut off before the trouble of all is over has missed what all had missed", () => {
  const clock = virtualClock();
  const troubles = createTroubles({ clock });
  clock.advance(seconds(10));
  const endOfAll = troubles.begin("all");
  clock.advance(seconds(10));
  const end = troubles.begin("node-1");
  endOfAll();
  clock.advance(recovery + 1);
  assert.equal(troubles.has("all"), false);
  assert.deepEqual([troubles.oldestUnseen("node-1"), troubles.oldestUnseen("node-2")], [unseen(10), clock.monotonic() - enforcedWithin]);
  end();
});

test("trouble that goes over into that of all is over with it", () => {
  const clock = virtualClock();
  const troubles = createTroubles({ clock });
  clock.advance(seconds(10));
  const end = troubles.begin("node-1");
  clock.advance(seconds(10));
  const endOfAll = troubles.begin("all");
  end();
  clock.advance(seconds(60));
  assert.equal(troubles.oldestUnseen("node-1"), unseen(10));
  assert.equal(troubles.oldestUnseen("node-2"), unseen(20));
  endOfAll();
  clock.advance(recovery + 1);
  assert.equal(troubles.has("node-1"), false);
});
