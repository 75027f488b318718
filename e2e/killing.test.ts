import { after, before, test } from "node:test";
import type { Lab } from "../src/lab/lab.ts";
import { playScript, scriptLab, scriptLimitMs, scripts } from "./script-lab.ts";

// The scripts that kill processes, one by one in a lab of their own: most of their time they wait for what comes back, while other labs use the processors.

let lab: Lab;

before(async () => {
  lab = await scriptLab(`kill-${process.pid % 100_000}`);
});

after(async () => {
  await lab?.down();
});

for (const file of scripts.killing) test(file, { timeout: scriptLimitMs }, () => playScript(lab, file));
