import type { PolicyCompiler } from "#core/pipeline/policy/index.ts";
import {
  createBackoff,
  type Duration,
  errorMessage,
  type Files,
  milliseconds,
  type Runtime,
  seconds,
  sleep,
  systemFiles,
  type Timer,
} from "#lib/runtime/index.ts";
import { type FollowedPolicies, type PolicySnapshot, writeSnapshot } from "../policies/index.ts";

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
/** An end waits no longer for the disk: all of it has five seconds, and others want theirs. */
const endsWithin = seconds(2);

/** Writes what is enforced to disk, behind the changes and never in their way. */
export interface SnapshotKeeper {
  /** Something of the snapshot may have changed. */
  touch(): void;
  /** Everything touched before is in force: as it is now it may be written, unless policies are in the middle of a change. */
  inForce(): void;
  /** Why the next start would lack what is enforced now, when it would. */
  problem(): string | undefined;
  /** Writes now what was last in force and waits for its turn, after the signal's end. Resolves when that is done, or after {@link endsWithin}. */
  close(): Promise<void>;
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
  const state: {
    touched: boolean;
    /** What was last in force, as long as it is not written. What comes until then, and the switch may not have yet, is not in it. */
    taken: PolicySnapshot | undefined;
    writing: Promise<void> | undefined;
    timer: Timer | undefined;
    restsUntil: number;
  } = { touched: false, taken: undefined, writing: undefined, timer: undefined, restsUntil: Number.NEGATIVE_INFINITY };
  let problem = options.found;
  const backoff = createBackoff({ random: runtime.random, ...retry });
  const writeAfter = (wait: Duration): void => {
    if (state.timer === undefined && !signal.aborted) state.timer = runtime.clock.after(wait, due, { background: true });
  };
  /** Behind calm at once, but for what comes with it. */
  const writeSoon = (): void => writeAfter(milliseconds(Math.max(gather, state.restsUntil - runtime.clock.monotonic())));
  const due = (): void => {
    state.timer = undefined;
    if (signal.aborted) return;
    if (state.writing === undefined) void write();
    else writeSoon();
  };
  const write = (): Promise<void> => {
    state.writing = put().finally(() => {
      state.writing = undefined;
    });
    return state.writing;
  };
  const put = async (): Promise<void> => {
    const { taken } = state;
    if (taken === undefined) return;
    state.taken = undefined;
    try {
      state.restsUntil = runtime.clock.monotonic() + restAfter(await writeSnapshot(file, taken, files));
      backoff.reset();
      problem = undefined;
    } catch (error) {
      state.taken ??= taken;
      problem = errorMessage(error);
      runtime.logger.error("cannot keep the policies on disk; a start without the controller would lack them", { file, error: problem });
      writeAfter(backoff.next());
    }
  };
  const writeLast = async (): Promise<void> => {
    await state.writing;
    await write();
  };
  return {
    touch() {
      state.touched = true;
    },
    problem: () => problem,
    inForce() {
      const followed = policies();
      if (!state.touched || signal.aborted || !followed.ready || !followed.isWhole) return;
      state.touched = false;
      state.taken = {
        policies: followed.networkPolicies(),
        addressGroups: followed.addressGroups(),
        appliedToGroups: followed.appliedToGroups(),
        allocations: compiler.allocations(),
        openPorts: openPorts(),
        computed: followed.computed(),
      };
      writeSoon();
    },
    async close() {
      state.timer?.cancel();
      const enough = new AbortController();
      const late = sleep(runtime.clock, endsWithin, enough.signal).then(
        () => runtime.logger.error("the disk does not take the policies in time; the next start may lack the latest", { file }),
        () => {},
      );
      await Promise.race([writeLast(), late]);
      enough.abort();
    },
  };
}

const restAfter = (bytes: number): Duration =>
  Math.max(shortestRest, Math.min(seconds(bytes / bytesPerSecond), longestRest), seconds(bytes / mostBytesPerSecond));
