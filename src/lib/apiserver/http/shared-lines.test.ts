import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreEvent } from "../resource-store.ts";
import { sharedLines } from "./shared-lines.ts";

test("an event is encoded once for all that are sent it, whatever comes in between; the oldest goes where room ends", () => {
  const encoded: string[] = [];
  const lineOf = sharedLines(({ type, object }) => {
    const { name = "" } = object.metadata as { readonly name?: string };
    encoded.push(`${type} ${name}`);
    return Buffer.from(name.padEnd(10));
  }, 25);
  const event = (name: string, type: "ADDED" | "DELETED" = "ADDED"): StoreEvent => ({
    type,
    object: { apiVersion: "v1", kind: "Pod", metadata: { name } },
  });
  const [one, two, three] = [event("one"), event("two"), event("three")];
  assert.equal(lineOf(one), lineOf(one));
  lineOf(two);
  lineOf(one);
  assert.deepEqual(encoded.splice(0), ["ADDED one", "ADDED two"]);
  lineOf(three);
  lineOf(two);
  assert.deepEqual(encoded.splice(0), ["ADDED three"]);
  lineOf(one);
  assert.deepEqual(encoded.splice(0), ["ADDED one"]);
  lineOf({ ...one, type: "DELETED" } as StoreEvent);
  assert.deepEqual(encoded, ["DELETED one"]);
  encoded.length = 0;
  const own: StoreEvent = { ...event("mine"), own: true } as StoreEvent;
  assert.notEqual(lineOf(own), lineOf(own));
  lineOf({ ...one, type: "DELETED" } as StoreEvent);
  assert.deepEqual(encoded, ["ADDED mine", "ADDED mine"], "what nobody else is sent is not kept, and takes no room");
  const large = sharedLines(() => Buffer.alloc(30), 25);
  assert.notEqual(large(one), large(one));
});

test("thousands that come and go leave those that are the newest", () => {
  let encoded = 0;
  const lineOf = sharedLines(() => {
    encoded++;
    return Buffer.alloc(10);
  }, 100);
  const events = Array.from({ length: 5_000 }, (_, index): StoreEvent => ({ type: "ADDED", object: { metadata: { name: `${index}` } } }));
  for (const event of events) lineOf(event);
  assert.equal(encoded, 5_000);
  for (const event of events.slice(-10)) lineOf(event);
  assert.equal(encoded, 5_000);
  for (const event of events.slice(-20, -10)) lineOf(event);
  assert.equal(encoded, 5_010);
});

test("bookmarks are shared too, and take no room from what else is kept", () => {
  let encoded = 0;
  const lineOf = sharedLines(() => {
    encoded++;
    return Buffer.alloc(1_000);
  }, 2_000);
  const event = (type: "ADDED" | "BOOKMARK", name: string): StoreEvent => ({ type, object: { metadata: { name } } });
  const [added, mark] = [event("ADDED", "one"), event("BOOKMARK", "")];
  for (const each of [added, mark, mark]) lineOf(each);
  assert.equal(encoded, 2);
  for (let beat = 0; beat < 1_000; beat++) lineOf(event("BOOKMARK", ""));
  encoded = 0;
  lineOf(added);
  assert.equal(encoded, 0);
  lineOf(mark);
  assert.equal(encoded, 1, "old bookmarks are not kept");
});
