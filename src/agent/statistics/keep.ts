import type { Pipeline } from "#core/pipeline/index.ts";
import type { PolicyCompiler } from "#core/pipeline/policy/index.ts";
import { type CounterOf, counterFlow, readSwitchMark, switchMark } from "#core/pipeline/statistics/index.ts";
import { createTally, type PolicyCounters, type SwitchHistory } from "#core/statistics/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { FlowMod } from "#lib/openflow/flow.ts";
import {
  type Duration,
  errorMessage,
  type Files,
  milliseconds,
  minutes,
  type Runtime,
  seconds,
  sleep,
  systemFiles,
  type Timer,
} from "#lib/runtime/index.ts";
import { pagesOf, readPages } from "../flows/read-switch.ts";
import { keepConnected } from "../ovs/keep-connected.ts";
import { countedTables, readingOf } from "./readings.ts";
import { findStatistics, saveStatistics } from "./state-file.ts";

/** What counting needs of a connection. */
export type CountingSwitch = Pick<OpenFlowConnection, "tables" | "dumpFlows" | "onFlowRemoved" | "setAsync" | "flows" | "closed" | "close">;

/** The names of rules, as the policy compiler has them. */
export type RuleNaming = Pick<PolicyCompiler, "countedRule" | "ruleNamesOf">;

export interface NodeStatistics {
  /** Names this node's counting since it last began at zero. */
  readonly epoch: string;
  /** Where rules' names come from, once there is such a place. */
  nameBy(naming: RuleNaming): void;
  /** Resolves when the switch's counters are known as they were before anybody changes flows, or after 2 s: forwarding is worth more than counts. */
  whenListening(): Promise<void>;
  policies(): readonly PolicyCounters[];
  /** Reads the switch as soon as it is connected; resolves when that is done. */
  readNow(): Promise<void>;
  /** Every controller says that there is no such policy any more. */
  forget(uid: string): void;
  /** Hears each time that the counters were read and differ. */
  onChange(listener: () => void): () => void;
  /** Why nothing is counted, or kept, right now. */
  problem(): string | undefined;
  /** Writes what was counted; for the end of the process. */
  close(): Promise<void>;
}

/** Between two readings. A switch with many flows is read rarer: reading takes at most a hundredth of the agent's time. */
const readEvery = { least: seconds(10), most: seconds(60), timesLastReading: 100 } as const;
const listeningWithin = seconds(2);
/** Counts are on disk so late at the latest; what the switch still has is not lost with the process. */
const saveEvery = seconds(30);
/** A counter whose rule is gone goes when its connections have been silent for so long. */
const idleFor = minutes(5);
/** So long after a start rules may be unknown that are there. */
const namesAfter = minutes(2);
/** What only the agent knows, as the flow that counted it went. */
const saveRemovedAfter = milliseconds(500);

/** Counts what policies let through and deny, by reading the switch. */
export async function keepStatistics(options: {
  readonly runtime: Runtime;
  readonly pipeline: Pipeline;
  readonly connect: (signal: AbortSignal) => Promise<CountingSwitch>;
  readonly file: string;
  readonly files?: Files;
  readonly signal: AbortSignal;
}): Promise<NodeStatistics> {
  const { runtime, pipeline, connect, file, files = systemFiles, signal } = options;
  const { clock, random } = runtime;
  const logger = runtime.logger.with({ component: "statistics" });
  const kept = await findStatistics(file, files, logger);
  const epoch = kept?.epoch ?? `${clock.wall()}-${number32(random).toString(16)}`;
  const tally = createTally({ nameOf: (ruleId) => naming?.countedRule(ruleId), state: kept });
  const tables = countedTables(pipeline);
  const all = [...tables.rules, ...tables.known];
  const listeners = new Set<() => void>();
  const listening = Promise.withResolvers<void>();
  /** Rules whose connections were counted; of earlier ones nobody knows the direction. */
  const known = new Map<string, CounterOf>();
  for (const { kind, ruleId } of kept?.counted ?? [])
    if (kind === "known") for (const direction of ["In", "Out"] as const) known.set(`${direction} ${ruleId}`, { direction, ruleId });
  let naming: RuleNaming | undefined;
  const namesKnownAt = clock.monotonic() + namesAfter;
  let mark = kept?.switchMark;
  let readOnce = false;
  let wake: () => void = () => {};
  /** Who asked since the last reading began. */
  const wanted: (() => void)[] = [];
  let told = { version: -1, saved: -1 };
  /** The switch has a mark that is not on disk. */
  let isMarkNew = false;
  let problem: string | undefined = "not connected yet";

  /** One at a time, so that an older text never replaces a newer one. */
  let saving: Promise<void> = Promise.resolve();
  const save = (): Promise<void> => {
    saving = saving.then(async () => {
      if (!readOnce || told.saved === tally.version) return;
      const { version } = tally;
      try {
        await saveStatistics(file, files, { epoch, ...tally.state() });
        told = { ...told, saved: version };
      } catch (error) {
        problem = errorMessage(error);
        logger.warn("cannot keep statistics on disk", { file, error: problem });
      }
    });
    return saving;
  };
  let saveTimer: { readonly timer: Timer; readonly at: number } | undefined;
  const saveSoon = (wait: Duration): void => {
    const at = clock.monotonic() + wait;
    if (signal.aborted || (saveTimer !== undefined && saveTimer.at <= at)) return;
    saveTimer?.timer.cancel();
    const due = (): void => {
      saveTimer = undefined;
      void save();
    };
    saveTimer = { timer: clock.after(wait, due, { background: true }), at };
  };

  /** What the switch counted before this connection, and a mark by which the next one knows. */
  const begin = async (connection: CountingSwitch): Promise<void> => {
    const [metric] = tables.known;
    let found: number | undefined;
    for await (const flow of connection.dumpFlows({ table: metric ?? 0 })) found ??= readSwitchMark(flow);
    const history: SwitchHistory = found === undefined ? "new" : found === mark ? "same" : "unknown";
    const now = history === "same" && mark !== undefined ? mark : number32(random);
    // Connections that the kernel still tracks are counted on, though no new one has come yet.
    const counters = history === "new" ? [...known.values()].map((counter) => counterFlow(pipeline, counter)) : [];
    const wanted = history === "same" ? [] : [switchMark(pipeline, now), ...counters];
    if (wanted.length > 0) await connection.flows(wanted.map((flow): FlowMod => ({ command: "add", flow })));
    tally.begin(history, now);
    isMarkNew ||= history !== "same";
    mark = now;
  };
  /** Reads the tables whose flows met packets since they were last read; gives back those that no rule has any more. */
  const read = async (connection: CountingSwitch, before: ReadonlyMap<number, bigint>): Promise<ReadonlyMap<number, bigint>> => {
    const counted = (await connection.tables()).filter(({ table }) => all.includes(table));
    const due = counted.filter(({ table, matches }) => matches !== before.get(table));
    const pages = await pagesOf({ tables: () => Promise.resolve(due) }, { without: [] });
    const changes: FlowMod[] = [];
    let isMarked = !due.some(({ table }) => table === tables.known[0]);
    for await (const flow of readPages(connection, pages)) {
      isMarked ||= readSwitchMark(flow) !== undefined;
      const reading = readingOf(pipeline, flow);
      if (reading === undefined) continue;
      tally.read(reading);
      const { counter } = reading;
      if (counter === undefined) continue;
      const key = `${counter.direction} ${counter.ruleId}`;
      const rule = naming?.countedRule(counter.ruleId);
      const isGone = rule === undefined ? clock.monotonic() > namesKnownAt : !rule.present;
      if (isGone && (flow.stats.idle ?? 0) * 1_000 >= idleFor) {
        changes.push({ command: "delete_strict", flow });
        known.delete(key);
        // Learned again, it begins at zero.
        tally.removed(reading);
      } else known.set(key, counter);
    }
    tally.readAll();
    // Somebody emptied the table: the switch told of every flow that counted, and goes on.
    if (!isMarked && mark !== undefined) changes.push({ command: "add", flow: switchMark(pipeline, mark) });
    if (changes.length > 0) await connection.flows(changes);
    return new Map(counted.map(({ table, matches }) => [table, matches]));
  };
  const changed = (): void => {
    for (const { policy } of tally.policies()) {
      const rules = naming?.ruleNamesOf(policy.uid);
      if (rules !== undefined) tally.keepRules(policy.uid, rules);
    }
    if (told.version === tally.version) return;
    told = { ...told, version: tally.version };
    saveSoon(saveEvery);
    for (const listener of [...listeners]) listener();
  };
  keepConnected({
    runtime,
    connect,
    signal,
    onLost(error) {
      problem = errorMessage(error);
      logger.debug("no connection to count by", { error: problem });
    },
    async serve(connection) {
      connection.onFlowRemoved(({ flow }) => {
        const reading = readingOf(pipeline, flow);
        if (reading === undefined) return;
        tally.removed(reading);
        if (reading.packets > 0) saveSoon(saveRemovedAfter);
      });
      await connection.setAsync({ packetIns: false, portStatus: false, flowRemoved: true });
      await begin(connection);
      let matches: ReadonlyMap<number, bigint> = new Map();
      const lost = connection.closed.then((error) => Promise.reject(error));
      lost.catch(() => {});
      while (!signal.aborted) {
        const began = clock.monotonic();
        const asked = wanted.splice(0);
        matches = await read(connection, matches);
        problem = undefined;
        readOnce = true;
        // An agent that is killed before it was saved leaves a switch whose counts the next one cannot go on with.
        if (isMarkNew) {
          isMarkNew = false;
          told = { ...told, saved: -1 };
          void save();
        }
        listening.resolve();
        changed();
        for (const resolve of asked) resolve();
        const took = clock.monotonic() - began;
        const pause = Math.max(readEvery.least, Math.min(readEvery.most, took * readEvery.timesLastReading));
        const poked = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (wanted.length > 0) continue;
        const enough = new AbortController();
        const rest = sleep(clock, pause, AbortSignal.any([signal, enough.signal])).catch(() => {});
        await Promise.race([rest, poked, lost]).finally(() => enough.abort());
      }
    },
  });

  return {
    epoch,
    nameBy(compiler) {
      naming = compiler;
    },
    async whenListening() {
      const enough = new AbortController();
      const late = sleep(clock, listeningWithin, AbortSignal.any([signal, enough.signal])).catch(() => {});
      await Promise.race([listening.promise, late]);
      enough.abort();
    },
    policies: tally.policies,
    readNow: () =>
      new Promise((resolve) => {
        wanted.push(resolve);
        wake();
      }),
    forget: tally.forget,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    problem: () => problem,
    async close() {
      saveTimer?.timer.cancel();
      await save();
    },
  };
}

const number32 = (random: Runtime["random"]): number => random.below(2 ** 32);
