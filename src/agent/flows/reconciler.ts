import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger, type GroupLedger } from "#core/pipeline/group-ledger.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import type { Meter } from "#lib/openflow/meter.ts";
import { createBackoff, type Duration, errorMessage, orAborted, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { createDriftLog, type DriftLog } from "../drift.ts";
import type { Difference } from "./compare.ts";
import type { Desired, Write } from "./desired.ts";
import { FlowsRefused } from "./errors.ts";
import type { FlowTarget } from "./flow-target.ts";
import { createReaders } from "./readers.ts";
import { createRegularChecks } from "./regular-checks.ts";
import { createRepairs } from "./repairs.ts";
import { createRounds } from "./rounds.ts";
import { createSuspects } from "./suspects.ts";
import { createSwitchWriter, type FlowOperations, type RefusedFlow } from "./switch-writer.ts";
import { createTakeOver } from "./take-over.ts";
import { createUnclaimed, type Unclaimed } from "./unclaimed.ts";

export type { FlowTarget } from "./flow-target.ts";
export type { FlowOperations, RefusedFlow } from "./switch-writer.ts";

/** How the switch and the desired flows stand to each other. */
export interface FlowStatus {
  readonly connected: boolean;
  /** Why there is no connection, when there is none. */
  readonly problem: string | undefined;
  readonly desired: number;
  readonly refused: readonly RefusedFlow[];
  /** Groups that should be in the switch and are not, because it refused them. */
  readonly refusedGroups: readonly { readonly group: number; readonly reason: string }[];
}

/** The one writer of a bridge's flows and groups. */
export interface FlowReconciler {
  /**
   * Resolves when everything that the ledger holds now is in force in the switch; waits for a connection as long as it takes. Rejects with
   * {@link FlowsRefused} when the switch refused flows of `owners`, or with the signal's reason.
   */
  whenApplied(options?: { readonly owners?: readonly string[]; readonly signal?: AbortSignal }): Promise<void>;
  /** Says that the ledger holds all that should exist: from now on flows that it does not know are removed. */
  complete(): void;
  /**
   * Reads back what the switch has in `tables` and compares it with what should be there, page by page between changes; what changes meanwhile is left out. Resolves
   * with what is wrong, which is being repaired by then. Waits for a connection, and for {@link complete}. Rejects with the signal's reason.
   */
  readBack(tables: readonly number[], signal: AbortSignal): Promise<readonly Difference<Flow>[]>;
  /** Whether the switch has no change of ours to work on; true also while there is no connection. */
  idle(): boolean;
  /** Hears each time that nothing is left to do: every earlier change is in force. */
  onSettled(listener: () => void): () => void;
  /** Hears each time that nothing is left to do and the switch may do something else than before: it was changed by us, or is read for the first time. */
  onChanged(listener: () => void): () => void;
  status(): FlowStatus;
}

export interface FlowReconcilerOptions {
  readonly runtime: Runtime;
  readonly ledger: FlowLedger;
  readonly groups?: GroupLedger;
  /** The meters that flows use, and no others: there before any flow. Default none. */
  readonly meters?: readonly Meter[];
  readonly connect: (signal: AbortSignal) => Promise<FlowTarget>;
  /** Tables that hold flows of ours: what happens in them is told by the switch at once. */
  readonly tables: readonly number[];
  /** Tables whose flows the switch learns by itself: they are left alone. */
  readonly learned?: readonly number[];
  /** Hears what was changed by others and is repaired. Default: the log. */
  readonly drift?: DriftLog;
  /** Hears of each batch of changes that the switch dealt with. */
  readonly onChanges?: (changes: FlowOperations) => void;
  /**
   * The table by which packets enter, where the switch has flows of another layout: ours are made in tables that nothing leads to, and this one is changed, in
   * one bundle, when everything is known and in force. Until then nobody's flows are called applied.
   */
  readonly entersBy?: number;
  /** Resolves when the switch has nothing cached from before the call; asked before flows of another layout are removed. */
  readonly cacheFresh?: () => Promise<void>;
  /** Waited for with each connection before the switch is changed. */
  readonly beforeChanges?: () => Promise<void>;
  readonly signal: AbortSignal;
  /** In which time the switch's content is read once, page by page, whatever the switch tells. */
  readonly auditEvery?: Duration;
}

/**
 * Keeps the switch's flows and groups equal to the ledgers: compares everything at the start and after each reconnect and applies the difference, then
 * sends each change at once. There is no timer on the way; changes are joined within one turn of the event loop, and while the switch works on earlier
 * ones. What others change is told by the switch and repaired at once.
 */
export function reconcileFlows(options: FlowReconcilerOptions): FlowReconciler {
  const {
    runtime,
    ledger,
    groups = createGroupLedger(),
    connect,
    tables,
    learned = [],
    meters = [],
    signal,
    auditEvery = seconds(60),
  } = options;
  const logger = runtime.logger.with({ component: "flows" });
  const writer = createSwitchWriter({ clock: runtime.clock, logger, onChanges: options.onChanges });
  const { refusedFlows, refusedGroups } = writer;
  const settledListeners = new Set<() => void>();
  const changedListeners = new Set<() => void>();
  /** The switch was changed, and {@link changedListeners} have not heard of it. */
  let unheard = false;
  let target: FlowTarget | undefined;
  let problem: string | undefined = "not connected yet";
  let knowsAll = false;
  let swept = false;
  /** A connection of ours got as far as to make the switch what the ledgers say. */
  let compared = false;
  let wake: () => void = () => {};
  let settled = false;

  let poked = false;
  /** What one turn of the event loop brings goes as one: a pod's port and its policies, say, cost the switch one bundle and not two. */
  const poke = (): void => {
    settled = false;
    if (poked) return;
    poked = true;
    runtime.clock.soon(() => {
      poked = false;
      wake();
    });
  };
  /** The switch is changed by us: once nothing is left to do, that is told. */
  const unsettle = (): void => {
    unheard = true;
    settled = false;
  };
  /** Resolves at the next poke. */
  const nextPoke = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });

  const desired: Desired = {
    ledger,
    groups,
    meters,
    get changed() {
      return ledger.changed || groups.changed;
    },
    get knowsAll() {
      return knowsAll;
    },
    get swept() {
      return swept;
    },
  };
  const write: Write = (connection, changes) => {
    const { put = [], removeGroups = [] } = changes;
    const [add, remove] = [takeOver.permitted(changes.add), takeOver.permitted(changes.remove)];
    if ([add, remove, put, removeGroups].some(({ length }) => length > 0)) unsettle();
    readers.written(add);
    readers.written(remove);
    return writer.write(connection, { ...changes, add, remove });
  };
  const takeOver = createTakeOver({ desired, write, logger, learned, entersBy: options.entersBy, cacheFresh: options.cacheFresh });
  const rounds = createRounds();
  const watched = tables.filter((table) => !learned.includes(table));
  const readers = createReaders({ desired, told: watched });
  const repairs = createRepairs({
    desired,
    write,
    refused: writer,
    drift: options.drift ?? createDriftLog(logger),
    logger,
    tables,
    learned,
    onMeters: () => unsettle(),
  });
  /** Foreign flows are removed once all sources have spoken. */
  const sweepDue = (): boolean => knowsAll && !swept;

  const applyChange = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    const { add, remove } = ledger.takeChange();
    const { put, remove: removeGroups } = groups.takeChange();
    unclaimed.forgetFlows(remove);
    readers.touch(add);
    readers.touch(remove);
    await write(connection, {
      add: add.filter((flow) => !unclaimed.claimFlow(flow)),
      remove,
      put: put.filter((group) => !unclaimed.claimGroup(group)),
      removeGroups,
      ordered: true,
    });
  };
  /**
   * What the last connection did not get through, in its order, and then what changed since: a comparison tells what is missing, but not which of it has to come first. A switch
   * that was started anew has nothing that leads to any of it.
   */
  const catchUp = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    await writer.resume(connection);
    while (compared && desired.changed) await applyChange(connection, unclaimed);
  };
  /** Everything that is due now, as one. */
  const nextRound = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    rounds.begin();
    const sweeps = sweepDue();
    swept ||= sweeps;
    await applyChange(connection, unclaimed);
    if (sweeps) {
      await takeOver.finish(connection, unclaimed);
      await repairs.keepMeters(connection);
    }
    rounds.done({ tell: !takeOver.waits });
  };
  const settle = (): void => {
    settled = true;
    rounds.settled({ tell: !takeOver.waits });
    for (const listener of [...settledListeners]) listener();
    if (!unheard) return;
    unheard = false;
    for (const listener of [...changedListeners]) listener();
  };
  const readerDue = (): boolean => readers.any && knowsAll && swept;
  const retryRefused = (connection: FlowTarget): Promise<void> => {
    const put = [...refusedGroups.keys()].flatMap((number) => groups.get(number) ?? []);
    const add = [...refusedFlows.keys()].flatMap((key) => ledger.get(key) ?? []);
    refusedFlows.clear();
    refusedGroups.clear();
    unsettle();
    return write(connection, { add, remove: [], put });
  };

  const serve = async (connection: FlowTarget): Promise<void> => {
    const checks = createRegularChecks({ runtime, desired, repairs, watched, learned, auditEvery, retryRefused });
    const lost = connection.closed.then((error) => Promise.reject(error));
    lost.catch(() => {});
    swept = false;
    const unclaimed = createUnclaimed();
    const suspects = createSuspects(() => wake());
    await connection.setAsync({ packetIns: false, portStatus: false, flowRemoved: false, requestForwards: true });
    connection.onRequestForward(suspects.onRequestForward);
    // Before the comparison, so that nothing falls between the two.
    await connection.monitorFlows({ tables: watched }, suspects.onUpdate);
    await options.beforeChanges?.();
    await repairs.keepMeters(connection);
    await catchUp(connection, unclaimed);
    // Whoever changed the switch last may have ended before it told anybody.
    unheard = true;
    await takeOver.compareFirst(connection, unclaimed);
    compared = true;
    while (!signal.aborted) {
      if (desired.changed || sweepDue()) await nextRound(connection, unclaimed);
      else if (suspects.any) await repairs.checkSuspects(connection, suspects, unclaimed);
      if (desired.changed || sweepDue() || suspects.any) continue;
      if (readerDue()) {
        // What is in force is told before, and what it brings goes first.
        if (!settled) settle();
        if (desired.changed) continue;
        await readers.step(connection, {
          repair: (differences) => repairs.repair(connection, differences, []),
          isSuspect: () => suspects.any,
        });
        continue;
      }
      const poked = nextPoke();
      if (!settled) settle();
      const dueIn = checks.dueIn({ refused: refusedFlows.size + refusedGroups.size > 0 });
      const timer = runtime.clock.after(dueIn, () => wake(), { background: true });
      try {
        if (!desired.changed && !suspects.any) await Promise.race([poked, lost]);
      } finally {
        timer.cancel();
      }
      await checks.make(connection);
    }
  };
  const run = async (): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, limit: seconds(2) });
    while (!signal.aborted) {
      try {
        target = await connect(signal);
        problem = undefined;
        backoff.reset();
        await serve(target);
      } catch (error) {
        if (signal.aborted) break;
        problem = errorMessage(error);
        logger.warn("no OpenFlow connection to the bridge; trying again", { error: problem });
        target?.close();
        target = undefined;
        settled = false;
        readers.startAnew();
        await sleep(runtime.clock, backoff.next(), signal).catch(() => {});
      }
    }
    target?.close();
    target = undefined;
  };

  ledger.onChange(poke);
  groups.onChange(poke);
  signal.addEventListener("abort", () => wake(), { once: true });
  void run();

  return {
    async whenApplied({ owners = [], signal: giveUp } = {}) {
      if (!settled || desired.changed || takeOver.waits) {
        // What is asked for is on its way, or goes with the round after that.
        const applied = rounds.whenDone({ allIsUnderWay: !desired.changed && !sweepDue() });
        await (giveUp === undefined ? applied : orAborted(applied, giveUp));
      }
      const bad = owners.flatMap((owner) => ledger.flowsOf(owner)).flatMap((flow) => refusedFlows.get(flowKey(flow)) ?? []);
      if (bad[0] !== undefined) throw new FlowsRefused(formatFlow(bad[0].flow), bad[0].reason, bad.length);
    },
    readBack(wanted, giveUp) {
      const read = readers.add(wanted, giveUp);
      wake();
      return read;
    },
    complete() {
      knowsAll = true;
      poke();
    },
    idle: () => settled || target === undefined,
    onSettled(listener) {
      settledListeners.add(listener);
      return () => void settledListeners.delete(listener);
    },
    onChanged(listener) {
      changedListeners.add(listener);
      return () => void changedListeners.delete(listener);
    },
    status: () => ({
      connected: target !== undefined,
      problem,
      get desired() {
        return ledger.size;
      },
      refused: [...refusedFlows.values()],
      refusedGroups: [...refusedGroups].map(([group, reason]) => ({ group, reason })),
    }),
  };
}
