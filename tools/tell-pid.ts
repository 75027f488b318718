// Preloaded by `node --import` in each process of a run of the tests: what they make is named after their pids (tools/left-behind.ts).
import { appendFileSync } from "node:fs";
import { pidsOf, runVariable } from "./left-behind.ts";

const run = process.env[runVariable];
if (run !== undefined) appendFileSync(pidsOf(run), `${process.pid}\n`);
