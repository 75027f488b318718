import assert from "node:assert/strict";
import { test } from "node:test";
import { revalidated } from "./revalidate.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a whole round is waited for: one that began after the call", async () => {
  const ends: (() => void)[] = [];
  const state = { done: false };
  const control = (command: string) => {
    assert.equal(command, "revalidator/wait");
    return new Promise<string>((resolve) => ends.push(() => resolve("")));
  };
  void revalidated(control).then(() => {
    state.done = true;
  });
  for (const done of [false, true]) {
    ends.shift()?.();
    await settled();
    assert.equal(state.done, done);
  }
});

test("the switch's words are passed on", async () => {
  await assert.rejects(
    revalidated(() => Promise.reject(new Error("can't wait on multiple udpifs."))),
    /multiple udpifs/,
  );
});
