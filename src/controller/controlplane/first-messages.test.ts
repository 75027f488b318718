import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds, virtualClock } from "#lib/runtime/index.ts";
import { createFirstMessages } from "./first-messages.ts";
import { removedGroupMessage } from "./messages.ts";

test("watches that begin together share a message until its row changes, and nothing is kept for later", () => {
  const clock = virtualClock();
  const messages = createFirstMessages({ clock });
  const make = () => removedGroupMessage("addressgroups", { name: "a", uid: "a" });
  const first = messages.of("a", make);
  clock.advance(seconds(4));
  assert.equal(messages.of("a", make), first);
  messages.changed("a");
  const second = messages.of("a", make);
  assert.notEqual(second, first);
  clock.advance(seconds(4));
  assert.equal(messages.of("a", make), second);
  clock.advance(seconds(6));
  assert.notEqual(messages.of("a", make), second);
  clock.advance(seconds(20));
  assert.equal(clock.next, undefined, "no timer when nothing is kept");
});
