import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { orderedCases, policyCases } from "#core/policy/cases/catalogue.ts";
import type { CaseOutcome } from "./run-case.ts";

const file = fileURLToPath(new URL("./results.json", import.meta.url));

/** What became of each case in this run; `POLICY_RECORD=1` keeps it, beside earlier results of cases not played, for the page that is made from it. */
export function createRecord() {
  const results = new Map<string, string>();
  return {
    passed: (id: string, { crafted }: CaseOutcome) => void results.set(id, crafted > 0 ? "passed, in part by crafted frames" : "passed"),
    failed: (id: string) => void results.set(id, "failed"),
    write(): void {
      if (process.env.POLICY_RECORD !== "1") return;
      const before = existsSync(file) ? Object.entries(JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, string>>) : [];
      for (const [id, result] of before)
        if (!results.has(id) && [...policyCases, ...orderedCases].some((each) => each.id === id)) results.set(id, result);
      const sorted = Object.fromEntries([...results].sort(([a], [b]) => (a < b ? -1 : 1)));
      writeFileSync(file, `${JSON.stringify(sorted, undefined, 2)}\n`);
    },
  };
}
