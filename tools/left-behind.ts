// What a run of the tests has started and left: by its end nothing, but for an interrupt, or a test that forgets something.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { labsFolder } from "../src/lab/paths.ts";

const run = promisify(execFile);

/** Everything that a run starts inherits this variable: the run's own folder. */
export const runVariable = "ANTREA_TEST_RUN";
/** A lab that is told to end takes itself down, a node after the other. */
const endsWithin = 60_000;
const looksEach = 100;
const antctl = fileURLToPath(new URL("../src/antctl/main.ts", import.meta.url));

/** The file in a run's folder that has the pids of its tests, a line each. */
export const pidsOf = (folder: string): string => join(folder, "pids");

export interface LeftProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes of the run that has this folder, but for the one that asks. */
export function processesOf(folder: string): LeftProcess[] {
  const mark = `${runVariable}=${folder}`;
  return readdirSync("/proc").flatMap((name): LeftProcess[] => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      // One that has ended and waits for its parent has no environment.
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(mark)) return [];
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim() }];
    } catch {
      return [];
    }
  });
}

/** Resolves with what is left of the run when `time` is over, or with nothing as soon as that is so. */
export async function whenEnded(folder: string, time: number): Promise<readonly LeftProcess[]> {
  for (const deadline = performance.now() + time; ; await sleep(looksEach)) {
    const left = processesOf(folder);
    if (left.length === 0 || performance.now() >= deadline) return left;
  }
}

/** Ends what is left of the run: as one would ask for it first, and with SIGKILL when that is not heard. */
export async function endAll(folder: string): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (const { pid } of processesOf(folder))
      try {
        process.kill(pid, signal);
      } catch {
        // It ended meanwhile.
      }
    if ((await whenEnded(folder, endsWithin)).length === 0) return;
  }
}

/** Removes labs, network namespaces and temporary folders of a run whose processes have ended, and says what there was. Tests name theirs after their pids. */
export async function removeOrphans(folder: string): Promise<string[]> {
  const file = pidsOf(folder);
  const pids = new Set(existsSync(file) ? readFileSync(file, "utf8").split("\n") : []);
  const isOfRun = (name: string): boolean => pids.has(/-(\d+)(?=-|$)/.exec(name)?.[1] ?? "none");
  const labs = (existsSync(labsFolder) ? readdirSync(labsFolder) : []).filter(isOfRun);
  for (const name of labs) await run(process.execPath, [antctl, "lab", "down", "--name", name]);
  const { stdout } = await run("ip", ["netns", "list"]);
  const namespaces = stdout
    .split("\n")
    .flatMap((line) => line.split(" ")[0] || [])
    .filter(isOfRun);
  for (const name of namespaces) await run("ip", ["netns", "del", name]);
  const mounts = readFileSync("/proc/mounts", "utf8");
  const folders = readdirSync(tmpdir())
    .filter(isOfRun)
    .map((name) => join(tmpdir(), name))
    // Below a mount there is what is not ours.
    .filter((path) => !mounts.includes(` ${path}`));
  for (const path of folders) rmSync(path, { recursive: true, force: true });
  return [
    ...labs.map((name) => `lab ${name}`),
    ...namespaces.map((name) => `network namespace ${name}`),
    ...folders.map((path) => `folder ${path}`),
  ];
}
