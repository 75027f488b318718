import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { inNetns } from "../command.ts";
import { ProcessNotReady } from "../errors.ts";
import { createRestarts } from "./restarts.ts";

/** The environment variable that marks every process of a lab, so that what a killed supervisor left behind can be found. */
export const labMark = "ANTREA_LAB";

/** Time to end after SIGTERM before SIGKILL. */
const graceTime = seconds(5);
/** Time to become ready. Generous: a loaded machine of two cores starts twenty processes here, and may build the images meanwhile. */
const readyTime = seconds(180);

export interface ProcessSpec {
  /** Unique within the lab: `node-1/antrea-agent`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The network namespace to run in; absent = the supervisor's. */
  readonly netns?: string;
  /** The process in whose mount namespace it runs, at the moment of each start; absent = the supervisor's. Needs `netns`. */
  readonly mountsOf?: () => number | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Everything it prints goes here. */
  readonly logFile: string;
  /** Runs before every start, the first included. */
  readonly beforeStart?: () => Promise<void>;
  /** Throws until the process can be used; asked again and again. */
  readonly ready: () => Promise<void>;
}

export interface SupervisedProcess {
  readonly name: string;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly state: "stopped" | "starting" | "running" | "waiting";
  /** Starts it and resolves when it is ready. Throws {@link ProcessNotReady}, or the signal's reason. Restarted from then on whenever it ends. */
  start(): Promise<void>;
  /** Ends it: SIGTERM, then SIGKILL. Resolves when it is gone. */
  stop(): Promise<void>;
}

export interface SuperviseOptions {
  readonly runtime: Runtime;
  readonly lab: string;
  readonly spec: ProcessSpec;
  /** Ends the process at once and for good. */
  readonly signal: AbortSignal;
}

/** The last words of a process. */
const lastLine = (file: string): string => readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";

export function supervise({ runtime, lab, spec, signal }: SuperviseOptions): SupervisedProcess {
  const logger = runtime.logger.with({ process: spec.name });
  const restarts = createRestarts({ runtime, name: spec.name });
  let child: ChildProcess | undefined;
  let state: SupervisedProcess["state"] = "stopped";
  let wanted = false;
  let ended: Promise<void> = Promise.resolve();
  signal.addEventListener("abort", () => {
    wanted = false;
    child?.kill("SIGKILL");
  });

  const launch = async (): Promise<void> => {
    state = "starting";
    await spec.beforeStart?.();
    if (!wanted) return signal.throwIfAborted();
    const { command, args } =
      spec.netns === undefined ? spec : inNetns(spec.netns, spec.command, spec.args, { mountsOf: spec.mountsOf?.() });
    const log = openSync(spec.logFile, "a", 0o640);
    const started = spawn(command, args, {
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...process.env, ...spec.env, [labMark]: lab },
    });
    closeSync(log);
    child = started;
    restarts.started();
    ended = new Promise((resolve) => {
      const over = (how: string): void => {
        if (child === started) child = undefined;
        resolve();
        if (wanted) void relaunch(how);
        else state = "stopped";
      };
      started.once("error", (error) => over(error.message));
      started.once("exit", (code, signal) => over(signal === null ? `exit ${code}` : `signal ${signal}`));
    });
  };
  const relaunch = async (how: string): Promise<void> => {
    state = "waiting";
    await restarts.pause(how);
    if (!wanted) return;
    try {
      await launch();
    } catch (error) {
      // What it needs before it starts may be there the next time.
      if (!signal.aborted) void relaunch(errorMessage(error));
      return;
    }
    await untilReady().catch((error: unknown) => logger.error("does not come back", { error: errorMessage(error) }));
  };
  const untilReady = async (): Promise<void> => {
    const deadline = runtime.clock.monotonic() + readyTime;
    const attempts = restarts.count;
    for (;;) {
      if (!wanted) return signal.throwIfAborted();
      try {
        await spec.ready();
        state = "running";
        return;
      } catch (error) {
        if (runtime.clock.monotonic() > deadline)
          throw new ProcessNotReady(spec.name, `not ready after ${readyTime / 1_000} s: ${errorMessage(error)}`, spec.logFile);
        if (restarts.count > attempts + 2)
          throw new ProcessNotReady(spec.name, `ends again and again: ${lastLine(spec.logFile)}`, spec.logFile);
        await sleep(runtime.clock, milliseconds(20));
      }
    }
  };

  return {
    name: spec.name,
    get pid() {
      return child?.pid;
    },
    get restarts() {
      return restarts.count;
    },
    get state() {
      return state;
    },
    async start() {
      signal.throwIfAborted();
      if (wanted) return;
      wanted = true;
      await launch();
      await untilReady();
    },
    async stop() {
      wanted = false;
      const running = child;
      if (running === undefined) {
        state = "stopped";
        return;
      }
      running.kill("SIGTERM");
      const timer = runtime.clock.after(graceTime, () => running.kill("SIGKILL"));
      await ended;
      timer.cancel();
    },
  };
}
