import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger, type GroupLedger, sameGroup } from "#core/pipeline/group-ledger.ts";
import { type BundledChange, ChangesRefused, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import { describeChange } from "#lib/openflow/bundle.ts";
import { type Flow, flowKey, sameFlow } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import type { Group } from "#lib/openflow/group.ts";
import { createBackoff, type Duration, errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { FlowsRefused } from "./errors.ts";

/** A flow that should be in the switch and is not, because the switch refused it. It is tried again, and blocks nothing else. */
export interface RefusedFlow {
  readonly flow: Flow;
  readonly reason: string;
}

/** How the switch and the desired flows stand to each other. */
export interface FlowStatus {
  readonly connected: boolean;
  /** Why there is no connection, when there is none. */
  readonly problem: string | undefined;
  readonly desired: number;
  readonly refused: readonly RefusedFlow[];
  /** Flows that audits found missing, changed or foreign since the start. */
  readonly repaired: number;
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
  /** Whether the switch has no change of ours to work on; true also while there is no connection. */
  idle(): boolean;
  /** Hears each time that nothing is left to do: every earlier change is in force. */
  onSettled(listener: () => void): () => void;
  status(): FlowStatus;
}

export interface FlowReconcilerOptions {
  readonly runtime: Runtime;
  readonly ledger: FlowLedger;
  readonly groups?: GroupLedger;
  readonly connect: (signal: AbortSignal) => Promise<FlowTarget>;
  /** Table numbers to audit, one after the other. */
  readonly tables: readonly number[];
  /** Tables whose flows the switch learns by itself: they are left alone. */
  readonly learned?: readonly number[];
  readonly signal: AbortSignal;
  /** From one audit of all tables to the next. */
  readonly auditEvery?: Duration;
}

/** What the reconciler needs of a connection. */
export type FlowTarget = Pick<OpenFlowConnection, "dumpFlows" | "dumpGroups" | "change" | "closed" | "close">;

const refusedRetry = { initial: seconds(1), limit: seconds(60) };

/**
 * Keeps the switch's flows and groups equal to the ledgers: compares everything at the start and after each reconnect and applies the difference, then
 * sends each change at once. There is no timer on the way; changes are joined only while the switch works on earlier ones.
 */
export function reconcileFlows(options: FlowReconcilerOptions): FlowReconciler {
  const { runtime, ledger, groups = createGroupLedger(), connect, tables, learned = [], signal, auditEvery = seconds(60) } = options;
  const logger = runtime.logger.with({ component: "flows" });
  const refused = new Map<string, RefusedFlow>();
  const refusedGroups = new Set<number>();
  const settledListeners = new Set<() => void>();
  let waiters: { readonly round: number; readonly resolve: () => void }[] = [];
  /** Changes go in rounds: the number of the one begun last, and of the last one in force. */
  const rounds = { begun: 0, done: 0 };
  let target: FlowTarget | undefined;
  let problem: string | undefined = "not connected yet";
  let repaired = 0;
  let knowsAll = false;
  let swept = false;
  let wake: () => void = () => {};
  let settled = false;

  const poke = (): void => {
    settled = false;
    wake();
  };
  /** Resolves at the next poke; several in one turn of the event loop are one. */
  const nextPoke = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });

  const send = async (connection: FlowTarget, mods: readonly BundledChange[]): Promise<void> => {
    let left = mods;
    while (left.length > 0) {
      try {
        await connection.change(left);
        return;
      } catch (error) {
        if (!(error instanceof ChangesRefused)) throw error;
        const bad = new Set<unknown>(error.refused.map(({ change }) => change));
        for (const { change, reason } of error.refused) note(change as BundledChange, reason);
        const rest = left.filter((mod) => !bad.has(mod));
        if (rest.length === left.length) throw error;
        left = rest;
      }
    }
  };
  const note = (change: BundledChange, reason: string): void => {
    if ("flow" in change && change.command === "add") refused.set(flowKey(change.flow), { flow: change.flow, reason });
    if ("group" in change && typeof change.group === "object") refusedGroups.add(change.group.group);
    logger.error("the switch refused a change", { change: describeChange(change), reason });
  };
  const adding = (flow: Flow): BundledChange => {
    if (refused.size > 0) refused.delete(flowKey(flow));
    return { command: "add", flow };
  };
  const removing = (flow: Flow): BundledChange => ({ command: "delete_strict", flow });
  const putting = (group: Group): BundledChange => {
    refusedGroups.delete(group.group);
    return { command: "add_or_modify", group };
  };
  /** Flows lead to groups, so these come before and go after. */
  const ordered = (
    groupChange: { readonly put: readonly Group[]; readonly remove: readonly number[] },
    flows: readonly BundledChange[],
  ) => [...groupChange.put.map(putting), ...flows, ...groupChange.remove.map((group): BundledChange => ({ command: "delete", group }))];
  const changed = (): boolean => ledger.changed || groups.changed;
  /** Foreign flows are removed once all sources have spoken. */
  const sweepDue = (): boolean => knowsAll && !swept;

  /** What makes `present` right, looking at `within` only. */
  const difference = (present: ReadonlyMap<string, Flow>, within: (flow: Flow) => boolean): BundledChange[] => {
    const adds: Flow[] = [];
    for (const [key, flow] of ledger.flows()) {
      const found = present.get(key);
      if (within(flow) && (found === undefined || !sameFlow(found, flow))) adds.push(flow);
    }
    const foreign = [...present].filter(([key, flow]) => ledger.get(key) === undefined && !learned.includes(flow.table));
    const removes = knowsAll ? foreign.map(([, flow]) => flow) : [];
    // Tables that flows lead to come first, as in every change.
    return [...adds.sort((a, b) => b.table - a.table).map(adding), ...removes.sort((a, b) => a.table - b.table).map(removing)];
  };
  const groupDifference = (present: readonly Group[]) => {
    const found = new Map(present.map((group) => [group.group, group]));
    return {
      put: [...groups.groups()].filter((group) => {
        const there = found.get(group.group);
        return there === undefined || !sameGroup(there, group);
      }),
      remove: knowsAll ? [...found.keys()].filter((number) => groups.get(number) === undefined) : [],
    };
  };
  const compareAll = async (connection: FlowTarget): Promise<void> => {
    const present = new Map<string, Flow>();
    rounds.begun++;
    const presentGroups = await connection.dumpGroups();
    for await (const flow of connection.dumpFlows()) present.set(flowKey(flow), flow);
    ledger.takeChange();
    groups.takeChange();
    const mods = ordered(
      groupDifference(presentGroups),
      difference(present, () => true),
    );
    logger.info("compared the switch with the desired flows", { present: present.size, desired: ledger.size, changes: mods.length });
    await send(connection, mods);
    roundDone();
  };
  const applyChange = async (connection: FlowTarget): Promise<void> => {
    rounds.begun++;
    const { add, remove } = ledger.takeChange();
    if (refused.size > 0) for (const flow of remove) refused.delete(flowKey(flow));
    const groupChange = groups.takeChange();
    for (const group of groupChange.remove) refusedGroups.delete(group);
    await send(connection, ordered(groupChange, [...add.map(adding), ...remove.map(removing)]));
    roundDone();
  };
  /** Whoever waits for this round or an earlier one need not wait for what came meanwhile. */
  const roundDone = (last = rounds.begun): void => {
    rounds.done = rounds.begun;
    const ready = waiters.filter(({ round }) => round <= last);
    waiters = waiters.filter(({ round }) => round > last);
    for (const { resolve } of ready) resolve();
  };
  const settle = (): void => {
    settled = true;
    roundDone(Number.POSITIVE_INFINITY);
    for (const listener of [...settledListeners]) listener();
  };

  /** Compares one table, when nothing else is going on; a change in the meantime makes the comparison void. */
  const auditTable = async (connection: FlowTarget, table: number): Promise<void> => {
    if (changed()) return;
    const present = new Map<string, Flow>();
    // Groups are few and have no table: they are compared with the first.
    const presentGroups = table === tables[0] ? await connection.dumpGroups() : undefined;
    for await (const flow of connection.dumpFlows({ table })) present.set(flowKey(flow), flow);
    if (changed()) return;
    const flows = difference(present, (flow) => flow.table === table).filter(
      (change) => !("flow" in change) || change.command !== "add" || !refused.has(flowKey(change.flow)),
    );
    const { put, remove } = presentGroups === undefined ? { put: [], remove: [] } : groupDifference(presentGroups);
    const mods = ordered({ put: put.filter(({ group }) => !refusedGroups.has(group)), remove }, flows);
    if (mods.length === 0) return;
    repaired += mods.length;
    logger.warn("repaired what somebody else changed", { table, changes: mods.map(describeChange).slice(0, 10) });
    await send(connection, mods);
  };
  const retryRefused = (connection: FlowTarget): Promise<void> => {
    const put = [...refusedGroups].flatMap((number) => {
      const group = groups.get(number);
      if (group === undefined) refusedGroups.delete(number);
      return group ?? [];
    });
    const flows = [...refused.keys()].flatMap((key) => {
      const flow = ledger.get(key);
      if (flow === undefined) refused.delete(key);
      return flow === undefined ? [] : [adding(flow)];
    });
    return send(connection, ordered({ put, remove: [] }, flows));
  };

  const serve = async (connection: FlowTarget): Promise<void> => {
    const due = { audit: runtime.clock.monotonic() + auditEvery, retry: Number.POSITIVE_INFINITY };
    const retryBackoff = createBackoff({ random: runtime.random, ...refusedRetry });
    const lost = connection.closed.then((error) => Promise.reject(error));
    lost.catch(() => {});
    let nextTable = 0;
    swept = knowsAll;
    await compareAll(connection);
    while (!signal.aborted) {
      if (sweepDue()) {
        swept = true;
        await compareAll(connection);
      } else if (changed()) await applyChange(connection);
      if (changed() || sweepDue()) continue;
      const poked = nextPoke();
      settle();
      const now = runtime.clock.monotonic();
      if (refused.size + refusedGroups.size === 0) {
        due.retry = Number.POSITIVE_INFINITY;
        retryBackoff.reset();
      } else if (due.retry === Number.POSITIVE_INFINITY) due.retry = now + retryBackoff.next();
      const timer = runtime.clock.after(Math.max(0, Math.min(due.audit, due.retry) - now), () => wake(), { background: true });
      try {
        if (!changed()) await Promise.race([poked, lost]);
      } finally {
        timer.cancel();
      }
      const woken = runtime.clock.monotonic();
      if (woken >= due.retry) {
        due.retry = Number.POSITIVE_INFINITY;
        await retryRefused(connection);
      }
      if (woken >= due.audit) {
        const table = tables[nextTable];
        nextTable = (nextTable + 1) % Math.max(1, tables.length);
        due.audit = woken + auditEvery / Math.max(1, tables.length);
        if (table !== undefined) await auditTable(connection, table);
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
      if (!settled || changed()) {
        // What is asked for is on its way, or goes with the round after that.
        const onItsWay = rounds.done < rounds.begun && !changed() && !sweepDue();
        await new Promise<void>((resolve, reject) => {
          if (giveUp?.aborted) reject(giveUp.reason);
          giveUp?.addEventListener("abort", () => reject(giveUp.reason), { once: true });
          waiters.push({ round: onItsWay ? rounds.begun : rounds.begun + 1, resolve });
        });
      }
      const bad = owners.flatMap((owner) => ledger.flowsOf(owner)).flatMap((flow) => refused.get(flowKey(flow)) ?? []);
      if (bad[0] !== undefined) throw new FlowsRefused(formatFlow(bad[0].flow), bad[0].reason, bad.length);
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
    status: () => ({ connected: target !== undefined, problem, desired: ledger.size, refused: [...refused.values()], repaired }),
  };
}
