import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger, type GroupLedger } from "#core/pipeline/group-ledger.ts";
import { ChangesRefused, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import type { Group } from "#lib/openflow/group.ts";
import type { Meter } from "#lib/openflow/meter.ts";
import { createBackoff, type Duration, errorMessage, orAborted, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { createDriftLog, type DriftLog } from "../drift.ts";
import { compareFlows, compareGroups, type Difference, isLacking, tellDrift } from "./compare.ts";
import { compareMeters, meterChange } from "./meters.ts";
import { FlowsRefused } from "./errors.ts";
import { type FlowPage, pagesOf, readPages } from "./read-switch.ts";
import { createReading, type Reading } from "./reading.ts";
import { createSuspects, judge, type Suspects } from "./suspects.ts";
import { createSwitchWriter, type FlowOperations, type RefusedFlow, type SwitchChanges } from "./switch-writer.ts";
import { createUnclaimed, type Unclaimed } from "./unclaimed.ts";

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

interface Reader {
  readonly tables: readonly number[];
  reading: Reading | undefined;
  /** All pages were read. */
  over: boolean;
  resolve: (differences: readonly Difference<Flow>[]) => void;
}

/** Another connection may lead to another switch: it is read from the beginning. */
function forgetReading(reader: Reader): void {
  reader.reading = undefined;
  reader.over = false;
}

/** What the reconciler needs of a connection. */
export type FlowTarget = Pick<
  OpenFlowConnection,
  | "tables"
  | "dumpFlows"
  | "dumpGroups"
  | "dumpMeters"
  | "meters"
  | "change"
  | "monitorFlows"
  | "onRequestForward"
  | "setAsync"
  | "closed"
  | "close"
>;

/** Tables that have no flows of ours are not watched, only looked at: whether there are any. */
const strangersEvery = seconds(5);
const refusedRetry = { initial: seconds(1), limit: seconds(60) };

/**
 * Keeps the switch's flows and groups equal to the ledgers: compares everything at the start and after each reconnect and applies the difference, then
 * sends each change at once. There is no timer on the way; changes are joined only while the switch works on earlier ones. What others change is
 * told by the switch and repaired at once.
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
  const drift = options.drift ?? createDriftLog(logger);
  const writer = createSwitchWriter({ clock: runtime.clock, logger, onChanges: options.onChanges });
  const { refusedFlows, refusedGroups } = writer;
  const settledListeners = new Set<() => void>();
  const changedListeners = new Set<() => void>();
  /** The switch was changed, and {@link changedListeners} have not heard of it. */
  let unheard = false;
  let waiters: { readonly round: number; readonly resolve: () => void }[] = [];
  /** Changes go in rounds: the number of the one begun last, and of the last one in force. */
  const rounds = { begun: 0, done: 0 };
  let target: FlowTarget | undefined;
  let problem: string | undefined = "not connected yet";
  let knowsAll = false;
  let swept = false;
  /** The table that is left as it is until everything behind it is there. */
  let held = options.entersBy;
  /** A connection of ours got as far as to make the switch what the ledgers say. */
  let compared = false;
  let wake: () => void = () => {};
  let settled = false;
  /** Who waits for a reading, first come first served. */
  let readers: Reader[] = [];

  const poke = (): void => {
    settled = false;
    wake();
  };
  /** Resolves at the next poke; several in one turn of the event loop are one. */
  const nextPoke = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });

  const changed = (): boolean => ledger.changed || groups.changed;
  const permitted = (flows: readonly Flow[]): readonly Flow[] => (held === undefined ? flows : flows.filter(({ table }) => table !== held));
  const write = (connection: FlowTarget, changes: SwitchChanges): Promise<void> => {
    const { put = [], removeGroups = [] } = changes;
    const [add, remove] = [permitted(changes.add), permitted(changes.remove)];
    unheard ||= [add, remove, put, removeGroups].some(({ length }) => length > 0);
    return writer.write(connection, { ...changes, add, remove });
  };
  /** Foreign flows are removed once all sources have spoken. */
  const sweepDue = (): boolean => knowsAll && !swept;

  /** The first comparison of a connection. What nobody wants so far is kept in `unclaimed` until all is known. */
  const compareFirst = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    // Whoever changed the switch last may have ended before it told anybody.
    unheard = true;
    // From here on the ledgers are what is compared with; what changes meanwhile is a change of its own.
    ledger.takeChange();
    groups.takeChange();
    const found = compareGroups(groups, await connection.dumpGroups());
    const flows = await compareFlows({ ledger, present: readPages(connection, await pagesOf(connection, { without: learned })) });
    for (const { finding, item } of flows) if (finding === "unknown") unclaimed.keepFlow(item);
    for (const { finding, item } of found) if (finding === "unknown") unclaimed.keepGroup(item);
    const add = flows.filter(isLacking).map(({ item }) => item);
    logger.info("compared the switch with the desired flows", { desired: ledger.size, changes: add.length });
    await write(connection, { add, remove: [], put: found.filter(isLacking).map(({ item }) => item) });
  };
  /** Everything is there that packets may come to: they go there from now on, and nowhere else. */
  const enter = async (connection: FlowTarget, table: number, unclaimed: Unclaimed): Promise<void> => {
    const wrong = await compareFlows({ ledger, present: connection.dumpFlows({ table }), within: { table, cookie: 0n, cookieMask: 0n } });
    const [lacking, surplus] = [wrong.filter(isLacking), wrong.filter((each) => !isLacking(each))];
    for (const { item } of wrong) unclaimed.forgetFlow(flowKey(item));
    held = undefined;
    logger.info("packets take the new flows", { added: lacking.length, removed: surplus.length });
    await write(connection, { add: lacking.map(({ item }) => item), remove: surplus.map(({ item }) => item) });
    // What is on its way by the old flows, and the ways that the switch remembers, need them a little longer. Who cannot tell does not keep them.
    await options
      .cacheFresh?.()
      .catch((error: unknown) => logger.warn("cannot wait for the old flows' end", { error: errorMessage(error) }));
  };
  /** Everything that should exist is known: what is left has to go. */
  const removeUnclaimed = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    const left = unclaimed.take();
    const remove = left.flows.filter((flow) => ledger.get(flowKey(flow)) === undefined);
    const removeGroups = left.groups.map(({ group }) => group).filter((number) => groups.get(number) === undefined);
    logger.info("removing flows that nobody wants", { flows: remove.length, groups: removeGroups.length });
    await write(connection, { add: [], remove, removeGroups });
    await keepMeters(connection);
  };
  const applyChange = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    const { add, remove } = ledger.takeChange();
    const { put, remove: removeGroups } = groups.takeChange();
    for (const flow of remove) unclaimed.forgetFlow(flowKey(flow));
    for (const { reading } of readers) {
      reading?.touch(add);
      reading?.touch(remove);
    }
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
    while (compared && changed()) await applyChange(connection, unclaimed);
  };
  /** Everything that is due now, as one. */
  const nextRound = async (connection: FlowTarget, unclaimed: Unclaimed): Promise<void> => {
    rounds.begun++;
    const sweeps = sweepDue();
    swept ||= sweeps;
    await applyChange(connection, unclaimed);
    if (sweeps && held !== undefined) await enter(connection, held, unclaimed);
    if (sweeps) await removeUnclaimed(connection, unclaimed);
    roundDone();
  };
  /** Whoever waits for this round or an earlier one need not wait for what came meanwhile. */
  const roundDone = (last = rounds.begun): void => {
    rounds.done = rounds.begun;
    if (held !== undefined) return;
    const ready = waiters.filter(({ round }) => round <= last);
    waiters = waiters.filter(({ round }) => round > last);
    for (const { resolve } of ready) resolve();
  };
  const settle = (): void => {
    settled = true;
    roundDone(Number.POSITIVE_INFINITY);
    for (const listener of [...settledListeners]) listener();
    if (!unheard) return;
    unheard = false;
    for (const listener of [...changedListeners]) listener();
  };

  /** Makes right what others changed, and says so. */
  const repair = async (connection: FlowTarget, flows: readonly Difference<Flow>[], found: readonly Difference<Group>[]): Promise<void> => {
    const wrongFlows = flows.filter(({ finding, item }) => (finding === "unknown" ? knowsAll : !refusedFlows.has(flowKey(item))));
    const wrongGroups = found.filter(({ finding, item }) => (finding === "unknown" ? knowsAll : !refusedGroups.has(item.group)));
    tellDrift(drift, "flow", wrongFlows, formatFlow);
    tellDrift(drift, "group", wrongGroups, ({ group }) => String(group));
    const [lacking, surplus] = [wrongFlows.filter(isLacking), wrongFlows.filter((each) => !isLacking(each))];
    await write(connection, {
      add: lacking.map(({ item }) => item),
      remove: surplus.map(({ item }) => item),
      put: wrongGroups.filter(isLacking).map(({ item }) => item),
      removeGroups: wrongGroups.filter((each) => !isLacking(each)).map(({ item }) => item.group),
    });
  };
  /** Makes the meters those that flows use; unknown ones stay until all is known, as flows of an earlier run may use them. */
  const keepMeters = async (connection: FlowTarget): Promise<void> => {
    const differences = compareMeters(meters, await connection.dumpMeters()).filter(({ finding }) => finding !== "unknown" || knowsAll);
    if (differences.length === 0) return;
    if (swept) tellDrift(drift, "meter", differences, ({ meter }) => String(meter));
    unheard = true;
    try {
      await connection.meters(differences.map(meterChange));
    } catch (error) {
      // A datapath may have none: the flows that name them are refused, and told, each for itself.
      if (!(error instanceof ChangesRefused)) throw error;
      logger.error("the switch refuses meters", { error: errorMessage(error) });
    }
  };
  /** Compares one page, when nothing else is going on; a change in the meantime makes the comparison void. */
  const auditPage = async (connection: FlowTarget, page: FlowPage): Promise<void> => {
    if (changed() || !knowsAll) return;
    const flows = await compareFlows({ ledger, present: connection.dumpFlows(page), within: page });
    if (!changed()) await repair(connection, flows, []);
  };
  const auditGroups = async (connection: FlowTarget): Promise<void> => {
    if (changed() || !knowsAll) return;
    const present = await connection.dumpGroups();
    if (changed()) return;
    await repair(connection, [], compareGroups(groups, present));
  };
  const readerDue = (): boolean => readers.length > 0 && knowsAll && swept;
  /** One page for the first who waits; when that was the last, what is wrong. */
  const readForFirst = async (connection: FlowTarget): Promise<void> => {
    const [reader] = readers;
    if (reader === undefined) return;
    reader.reading ??= createReading({ ledger, tables: new Set(reader.tables) });
    reader.over ||= await reader.reading.step(connection);
    if (!reader.over || changed()) return;
    readers = readers.filter((other) => other !== reader);
    const differences = reader.reading.differences();
    await repair(connection, differences, []);
    reader.resolve(differences);
  };
  const auditAll = async (connection: FlowTarget): Promise<void> => {
    // Flows that name a meter are refused while it is missing.
    await keepMeters(connection);
    for (const page of await pagesOf(connection, { without: learned, ours: tables })) await auditPage(connection, page);
    await auditGroups(connection);
  };
  const checkSuspects = async (connection: FlowTarget, suspects: Suspects, unclaimed: Unclaimed): Promise<void> => {
    const { tooMany, groupsOrMeters, flows } = suspects.take();
    if (tooMany) return auditAll(connection);
    if (!knowsAll) {
      // Who wants a flow is not known yet: the switch just holds something else than when we connected.
      for (const { key, flow } of flows)
        if (flow === undefined) unclaimed.forgetFlow(key);
        else if (ledger.get(key) === undefined) unclaimed.keepFlow(flow);
    }
    const wrong = flows.flatMap((suspect) => judge(ledger, suspect));
    // A flow goes with a group it leads to, and cannot come back before it.
    const mayLackGroup = wrong.some(({ item }) => item.actions.some(({ type }) => type === "group"));
    const found = groupsOrMeters || mayLackGroup ? compareGroups(groups, await connection.dumpGroups()) : [];
    // Nobody tells when Open vSwitch forgets all of a bridge, as on a change of its fail_mode: meters went with the flows.
    if (groupsOrMeters || wrong.some(({ finding }) => finding === "missing")) await keepMeters(connection);
    await repair(connection, wrong, found);
  };
  const retryRefused = (connection: FlowTarget): Promise<void> => {
    const put = [...refusedGroups.keys()].flatMap((number) => groups.get(number) ?? []);
    const add = [...refusedFlows.keys()].flatMap((key) => ledger.get(key) ?? []);
    refusedFlows.clear();
    refusedGroups.clear();
    return write(connection, { add, remove: [], put });
  };

  const serve = async (connection: FlowTarget): Promise<void> => {
    const now = runtime.clock.monotonic();
    const due = { audit: now + auditEvery, strangers: now + strangersEvery, retry: Number.POSITIVE_INFINITY };
    const watched = tables.filter((table) => !learned.includes(table));
    const retryBackoff = createBackoff({ random: runtime.random, ...refusedRetry });
    const lost = connection.closed.then((error) => Promise.reject(error));
    lost.catch(() => {});
    let pages: FlowPage[] = [];
    swept = false;
    const unclaimed = createUnclaimed();
    const suspects = createSuspects(() => wake());
    await connection.setAsync({ packetIns: false, portStatus: false, flowRemoved: false, requestForwards: true });
    connection.onRequestForward(suspects.onRequestForward);
    // Before the comparison, so that nothing falls between the two.
    await connection.monitorFlows({ tables: watched }, suspects.onUpdate);
    await options.beforeChanges?.();
    await keepMeters(connection);
    await catchUp(connection, unclaimed);
    await compareFirst(connection, unclaimed);
    compared = true;
    while (!signal.aborted) {
      if (changed() || sweepDue()) await nextRound(connection, unclaimed);
      else if (suspects.any) await checkSuspects(connection, suspects, unclaimed);
      if (changed() || sweepDue() || suspects.any) continue;
      if (readerDue()) {
        // What is in force is told before, and what it brings goes first.
        if (!settled) settle();
        if (!changed()) await readForFirst(connection);
        continue;
      }
      const poked = nextPoke();
      settle();
      const now = runtime.clock.monotonic();
      if (refusedFlows.size + refusedGroups.size === 0) {
        due.retry = Number.POSITIVE_INFINITY;
        retryBackoff.reset();
      } else if (due.retry === Number.POSITIVE_INFINITY) due.retry = now + retryBackoff.next();
      const timer = runtime.clock.after(Math.max(0, Math.min(due.audit, due.strangers, due.retry) - now), () => wake(), {
        background: true,
      });
      try {
        if (!changed() && !suspects.any) await Promise.race([poked, lost]);
      } finally {
        timer.cancel();
      }
      const woken = runtime.clock.monotonic();
      if (woken >= due.retry) {
        due.retry = Number.POSITIVE_INFINITY;
        await retryRefused(connection);
      }
      if (woken >= due.audit) {
        const page = pages.shift();
        if (page === undefined) {
          pages = await pagesOf(connection, { without: learned, ours: watched });
          await auditGroups(connection);
        } else await auditPage(connection, page);
        due.audit = woken + auditEvery / (pages.length + 1);
      }
      if (woken >= due.strangers) {
        // Meters may go after the flows, when all that is told has been dealt with.
        if (knowsAll) await keepMeters(connection);
        for (const page of await pagesOf(connection, { without: [...watched, ...learned] })) await auditPage(connection, page);
        due.strangers = runtime.clock.monotonic() + strangersEvery;
      }
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
        for (const reader of readers) forgetReading(reader);
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
      if (!settled || changed() || held !== undefined) {
        // What is asked for is on its way, or goes with the round after that.
        const onItsWay = rounds.done < rounds.begun && !changed() && !sweepDue();
        const round = onItsWay ? rounds.begun : rounds.begun + 1;
        const applied = new Promise<void>((resolve) => void waiters.push({ round, resolve }));
        await (giveUp === undefined ? applied : orAborted(applied, giveUp));
      }
      const bad = owners.flatMap((owner) => ledger.flowsOf(owner)).flatMap((flow) => refusedFlows.get(flowKey(flow)) ?? []);
      if (bad[0] !== undefined) throw new FlowsRefused(formatFlow(bad[0].flow), bad[0].reason, bad.length);
    },
    readBack: (wanted, giveUp) =>
      new Promise((resolve, reject) => {
        const reader: Reader = { tables: wanted, reading: undefined, over: false, resolve };
        const leave = (): void => {
          readers = readers.filter((other) => other !== reader);
          reject(giveUp.reason);
        };
        if (giveUp.aborted) return leave();
        giveUp.addEventListener("abort", leave, { once: true });
        reader.resolve = (differences) => {
          giveUp.removeEventListener("abort", leave);
          resolve(differences);
        };
        readers.push(reader);
        wake();
      }),
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
      desired: ledger.size,
      refused: [...refusedFlows.values()],
      refusedGroups: [...refusedGroups].map(([group, reason]) => ({ group, reason })),
    }),
  };
}
