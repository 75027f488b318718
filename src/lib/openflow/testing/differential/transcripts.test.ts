import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeDifference, parseTranscript, replay } from "./transcript.ts";

// What ovs-vswitchd did where the switch in memory once did something else.
const directory = join(import.meta.dirname, "transcripts");
for (const file of readdirSync(directory))
  test(`${file}: as ovs-vswitchd did`, () => {
    const transcript = parseTranscript(readFileSync(join(directory, file), "utf8"));
    const [first] = replay(transcript).differences;
    if (first !== undefined) assert.fail(describeDifference(transcript, first));
  });
