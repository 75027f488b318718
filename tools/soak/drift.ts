import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Things changed by hand, one after the other, each put back before the next. */
const changes = 500;

/** Changes what an agent keeps by hand, at random, on a node of its own. Resolves with whether all came back. */
export function driftPass(seed: number): Promise<boolean> {
  process.stdout.write(`${changes} changes by hand, seed ${seed}\n`);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--test", "--test-reporter=spec", "src/agent/drift.real.test.ts"], {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, DRIFT_RUNS: String(changes), DRIFT_SEED: String(seed) },
    });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}
