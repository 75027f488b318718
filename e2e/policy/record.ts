import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CaseOutcome } from "./run-case.ts";

const file = fileURLToPath(new URL("./results.json", import.meta.url));

/** What became of each case in this run; `POLICY_RECORD=1` keeps it for the page that is generated from it. */
export function createRecord() {
  const results = new Map<string, string>();
  return {
    passed: (id: string, { withoutSocket }: CaseOutcome) =>
      void results.set(id, withoutSocket > 0 ? "passed, but rows without a socket" : "passed"),
    failed: (id: string) => void results.set(id, "failed"),
    write(): void {
      if (process.env.POLICY_RECORD !== "1") return;
      const sorted = Object.fromEntries([...results].sort(([a], [b]) => (a < b ? -1 : 1)));
      writeFileSync(file, `${JSON.stringify(sorted, undefined, 2)}\n`);
    },
  };
}
