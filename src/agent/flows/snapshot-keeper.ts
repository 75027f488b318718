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
/** Where changes never end a large snapshot is written more rarely: so many bytes a second on average, whatever its size. */
const bytesPerSecond = 1024 * 1024;
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
  const state: { dirty: boolean; writing: boolean; timer: Timer | undefined } = { dirty: false, writing: false, timer: undefined };
  let problem = options.found;
  let pause: Duration = gather;
  const backoff = createBackoff({ random: runtime.random, ...retry });
  const writeAfter = (wait: Duration): void => {
    if (state.timer === undefined) state.timer = runtime.clock.after(wait, () => void write(), { background: true });
  };
  const write = async (): Promise<void> => {
    state.timer = undefined;
    if (signal.aborted) return;
    if (state.writing) return writeAfter(pause);
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
      pause = Math.max(gather, seconds((await writeSnapshot(file, snapshot, files)) / bytesPerSecond));
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
      if (state.dirty && !signal.aborted && policies().ready) writeAfter(pause);
    },
  };
}
