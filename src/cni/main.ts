import { readFileSync, writeSync } from "node:fs";
import { run } from "./run.ts";

// Plain writes instead of process.stdout: making the streams takes Bun as long as everything else together.
const write = (descriptor: number, text: string): void => {
  for (let rest = Buffer.from(text); rest.length > 0; rest = rest.subarray(writeSync(descriptor, rest)));
};

void run({ environment: process.env, readConfig: () => readFileSync(0, "utf8") }).then(({ status, output, errors }) => {
  write(2, errors);
  write(1, output);
  process.exitCode = status;
});
