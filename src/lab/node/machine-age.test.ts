import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { untilSwitchMayStart, youngestSeconds } from "./machine-age.ts";

test("a switch starts when the machine is old enough, and at once on an older one", async () => {
  for (const [born, waited] of [
    [2.5, 8_500],
    [11, 0],
    [40_000, 0],
  ] as const) {
    let now = born;
    let slept = 0;
    await untilSwitchMayStart({
      age: () => now,
      sleep: async (ms) => {
        slept += ms;
        now += ms / 1_000;
      },
    });
    assert.equal(slept, waited, `${born} s old`);
  }
});

test("a node of the image waits as long", async () => {
  const script = await readFile(new URL("../images/antrea/antrea-start-ovs.sh", import.meta.url), "utf8");
  assert.match(script, new RegExp(`\\[ "\\$up" -ge ${youngestSeconds} \\] \\|\\| sleep \\$\\(\\(${youngestSeconds} - up\\)\\)`));
});
