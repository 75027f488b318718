import type { PolicyCompiler } from "#core/pipeline/policy/index.ts";
import {
  createBackoff,
  type Duration,
  errorMessage,
  type Files,
  milliseconds,
  type Runtime,
  seconds,
  systemFiles,
  type Timer,
} from "#lib/runtime/index.ts";
import { type FollowedPolicies, writeSnapshot } from "../policies/index.ts";

/** How long changes are gathered before they are written: a burst of them is one file. */
const gather = milliseconds(500);
/** Where changes never end it is written more rarely, which spares processor and disk: a start without a controller lacks what came in this time, */
const shortestRest = seconds(1.5);
/** and where it is large what came while so many bytes a second would be written, */
const bytesPerSecond = 128 * 1024;
/** but no more than this, */
const longestRest = seconds(5);
/** unless that would be more bytes a second than these. */
const mostBytesPerSecond = 1024 * 1024;
/** A disk that was full is tried again without waiting for the next change, which may be days away. */
const retry = { initial: seconds(1), limit: seconds(60) };

/** Writes what is enforced to disk, behind the changes and never in their way. */
export interface SnapshotKeeper {
  /** Something of the snapshot may have changed. */
  touch(): void;
  /** Everything touched before is in force: it may be written. */
  inForce(): void;
  /** Why the next start would lack what is enforced now, when it would. */
  problem(): string | undefined;
}

export function createSnapshotKeeper(options: {
  readonly runtime: Runtime;
  readonly file: string;
  readonly files?: Files;
  readonly policies: () => FollowedPolicies;
  readonly compiler: PolicyCompiler;
  readonly openPorts: () => readonly string[];
  /** What was wrong with the snapshot that this start found; holds until one is written. */
  readonly found?: string | undefined;
  readonly signal: AbortSignal;
}): SnapshotKeeper {
  const { runtime, file, files = systemFiles, policies, compiler, openPorts, signal } = options;
  const state: { dirty: boolean; writing: boolean; timer: Timer | undefined; restsUntil: number } = {
    dirty: false,
    writing: false,
    timer: undefined,
    restsUntil: Number.NEGATIVE_INFINITY,
  };
  let problem = options.found;
  const backoff = createBackoff({ random: runtime.random, ...retry });
  const writeAfter = (wait: Duration): void => {
    if (state.timer === undefined) state.timer = runtime.clock.after(wait, () => void write(), { background: true });
  };
  /** Behind calm at once, but for what comes with it. */
  const writeSoon = (): void => writeAfter(milliseconds(Math.max(gather, state.restsUntil - runtime.clock.monotonic())));
  const write = async (): Promise<void> => {
    state.timer = undefined;
    if (signal.aborted) return;
    if (state.writing) return writeSoon();
    state.writing = true;
    state.dirty = false;
    const followed = policies();
    try {
      const snapshot = {
        policies: followed.networkPolicies(),
        addressGroups: followed.addressGroups(),
        appliedToGroups: followed.appliedToGroups(),
        allocations: compiler.allocations(),
        openPorts: openPorts(),
        computed: followed.computed(),
      };
      state.restsUntil = runtime.clock.monotonic() + restAfter(await writeSnapshot(file, snapshot, files));
      backoff.reset();
      problem = undefined;
    } catch (error) {
      state.dirty = true;
      problem = errorMessage(error);
      runtime.logger.error("cannot keep the policies on disk; a start without the controller would lack them", {
        file,
        error: errorMessage(error),
      });
      writeAfter(backoff.next());
    } finally {
      state.writing = false;
    }
  };
  return {
    touch() {
      state.dirty = true;
    },
    problem: () => problem,
    inForce() {
      if (state.dirty && !signal.aborted && policies().ready) writeSoon();
    },
  };
}

const restAfter = (bytes: number): Duration =>
  Math.max(shortestRest, Math.min(seconds(bytes / bytesPerSecond), longestRest), seconds(bytes / mostBytesPerSecond));
