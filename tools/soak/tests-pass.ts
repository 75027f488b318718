import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cleanLab } from "../../src/lab/clean-up.ts";
import { deleteNetnsOf } from "../../src/lab/fabric/netns-of-process.ts";
import { killMarked } from "../../src/lab/supervisor/leftovers.ts";
import { systemRuntime } from "../../src/lib/runtime/runtime.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** In the environment of everything that a pass starts: the number of the process that waits for it. */
export const soakMark = "ANTREA_SOAK";

export interface TestsPassOptions {
  /** Words for `node`: `--test`, its flags and files. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Name of the lab that the tests have, if any. */
  readonly lab?: string;
  /** Ends them and removes what they made: Node runs no `after` of a test that is interrupted. */
  readonly signal: AbortSignal;
}

/** Runs tests in a process of their own. Resolves with whether all of them passed; false, once nothing of them is left, when `signal` aborts. */
export async function testsPass({ args, environment, lab, signal }: TestsPassOptions): Promise<boolean> {
  if (signal.aborted) return false;
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    // In no terminal's group: what ends it comes from here.
    detached: true,
    env: { ...process.env, ...environment, [soakMark]: String(process.pid) },
  });
  const ended = new Promise<boolean>((resolve) => {
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const passed = await ended.finally(() => signal.removeEventListener("abort", kill));
  if (!signal.aborted) return passed;
  const runtime = systemRuntime({ level: "error" });
  const pids = await killMarked(`${soakMark}=${process.pid}`, runtime.clock);
  if (lab !== undefined) await cleanLab({ runtime, name: lab });
  await deleteNetnsOf(pids);
  return false;
}
