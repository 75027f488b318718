import type { PolicyReference, RuleAction } from "#core/api/controlplane/index.ts";
import { type Counters, isNothing, noCounters, plus } from "./counters.ts";

/** What a flow of a rule counted, as the switch says. */
export interface FlowReading {
  /** The same for the same entry of the switch, different for all others. */
  readonly key: string;
  readonly ruleId: number;
  /** `rule`: each packet is one that the rule judged. `known`: packets of connections that it admitted. */
  readonly kind: "rule" | "known";
  readonly packets: number;
  readonly bytes: number;
}

/** A rule by the names under which it is counted. */
export interface RuleName {
  readonly policy: PolicyReference;
  /** Absent where rules have no names. */
  readonly rule?: string;
  readonly action: RuleAction;
}

/** What one node counted of a policy. */
export interface PolicyCounters {
  readonly policy: PolicyReference;
  /** Contains rules that the policy has no more. */
  readonly total: Counters;
  readonly rules: ReadonlyMap<string, Counters>;
}

/** All that has to survive the end of the process. */
export interface TallyState {
  /** Which run of the switch the flows' counters belong to. */
  readonly switchMark: number;
  readonly policies: readonly PolicyCounters[];
  /** By rule and kind, how much of the switch's counters is in `policies` already. */
  readonly counted: readonly CountedReading[];
}

/** What a rule's flows counted together, and the rule's name where it has one: who reads this later may not know the rule any more. */
export interface CountedReading extends Omit<FlowReading, "key"> {
  readonly name?: Omit<RuleName, "policy"> & { readonly uid: string };
}

export interface TallyOptions {
  /** Undefined while the rule's policy is not known. */
  readonly nameOf: (ruleId: number) => RuleName | undefined;
  /** What an earlier process kept. */
  readonly state?: TallyState | undefined;
}

/** How what is in the switch relates to what was counted before. */
export type SwitchHistory =
  /** The counters went on from where they were. */
  | "same"
  /** They began at zero since. */
  | "new"
  /** Nobody knows: what they have is not counted, only what comes. */
  | "unknown";

/** Readings of rules whose name nobody knows yet; of more than these are lost. */
const namelessAtMost = 16_384;

/**
 * Sums up what flows counted by the rules' names: flows come and go as rules move between profiles, agents and switches restart, and the sums only ever grow.
 */
export interface Tally {
  /** A connection to the switch was made: readings that follow are its. `mark` names its run. */
  begin(history: SwitchHistory, mark: number): void;
  read(reading: FlowReading): void;
  /** A flow went; this is the last that it counted. */
  removed(reading: FlowReading): void;
  /** Everything that is in the switch was read since {@link Tally.begin}. */
  readAll(): void;
  policies(): readonly PolicyCounters[];
  /** Lets go of rules that a policy has no more; their counts stay in its total. */
  keepRules(uid: string, names: ReadonlySet<string>): void;
  /** Lets go of a policy that is gone. */
  forget(uid: string): void;
  state(): TallyState;
  /** Ids of rules that were counted by the connections they admitted. */
  knownRules(): ReadonlySet<number>;
  /** Grows with every change of the sums. */
  readonly version: number;
}

interface Sum {
  packets: number;
  bytes: number;
}

export function createTally({ nameOf, state }: TallyOptions): Tally {
  const policies = new Map<string, { policy: PolicyReference; total: Counters; rules: Map<string, Counters> }>();
  for (const { policy, total, rules } of state?.policies ?? []) policies.set(policy.uid, { policy, total, rules: new Map(rules) });
  const flows = new Map<string, FlowReading>();
  /** Rules by the names that an earlier process knew. */
  const former = new Map<number, RuleName>();
  for (const { ruleId, name } of state?.counted ?? []) {
    const policy = policies.get(name?.uid ?? "")?.policy;
    if (name !== undefined && policy !== undefined) former.set(ruleId, { ...name, policy });
  }
  const findName = (ruleId: number): RuleName | undefined => nameOf(ruleId) ?? former.get(ruleId);
  const nameless = new Map<number, { readonly rule: Sum; readonly known: Sum }>();
  /** Until all was read once over a connection. */
  let first:
    | { readonly counts: "each" | "sums" | "nothing"; readonly sums: Map<string, FlowReading>; readonly seen: Set<string> }
    | undefined;
  /** By rule and kind, what an earlier process had counted of the switch's counters. */
  const before = sumsOf(state?.counted ?? []);
  let mark = state?.switchMark ?? 0;
  let version = 0;
  let hasBegun = false;

  const add = ({ ruleId, kind, packets, bytes }: Omit<FlowReading, "key">): void => {
    if (packets <= 0 && bytes <= 0) return;
    version++;
    const name = findName(ruleId);
    if (name === undefined) {
      const waiting = nameless.get(ruleId) ?? { rule: { packets: 0, bytes: 0 }, known: { packets: 0, bytes: 0 } };
      waiting[kind].packets += packets;
      waiting[kind].bytes += bytes;
      if (nameless.has(ruleId) || nameless.size < namelessAtMost) nameless.set(ruleId, waiting);
      return;
    }
    // Pass decides nothing.
    if (name.action === "Pass") return;
    const more: Counters = { sessions: kind === "rule" ? packets : 0, packets, bytes };
    const { policy, rule } = name;
    const counted = policies.get(policy.uid) ?? { policy, total: noCounters, rules: new Map<string, Counters>() };
    counted.policy = policy;
    counted.total = plus(counted.total, more);
    if (rule !== undefined) counted.rules.set(rule, plus(counted.rules.get(rule) ?? noCounters, more));
    policies.set(policy.uid, counted);
  };
  const addNamed = (): void => {
    for (const [ruleId, { rule, known }] of nameless) {
      if (findName(ruleId) === undefined) continue;
      nameless.delete(ruleId);
      add({ ruleId, kind: "rule", ...rule });
      add({ ruleId, kind: "known", ...known });
    }
  };
  const advance = (reading: FlowReading): void => {
    const last = flows.get(reading.key);
    if (reading.packets > 0) flows.set(reading.key, reading);
    first?.seen.add(reading.key);
    if (last === undefined && first?.counts === "nothing") return;
    // An entry that has less than before is another, though nobody told of the end of the first.
    const from = last !== undefined && last.packets <= reading.packets ? last : noCounters;
    const more = { ...reading, packets: reading.packets - from.packets, bytes: Math.max(0, reading.bytes - from.bytes) };
    if (first?.counts === "sums") gather(first.sums, more);
    else add(more);
  };

  return {
    begin(history, now) {
      if (history !== "same") {
        flows.clear();
        before.clear();
      }
      // The process that is back at its switch knows every flow's last reading, a new one only their sums.
      const counts = history === "unknown" ? "nothing" : history === "same" && !hasBegun ? "sums" : "each";
      first = { counts, sums: new Map(), seen: new Set() };
      mark = now;
    },
    read: advance,
    removed(reading) {
      advance(reading);
      flows.delete(reading.key);
    },
    readAll() {
      addNamed();
      if (first === undefined) return;
      const { sums, seen } = first;
      first = undefined;
      hasBegun = true;
      // What went while there was no connection.
      for (const key of flows.keys()) if (!seen.has(key)) flows.delete(key);
      for (const [key, sum] of sums) {
        const had = before.get(key);
        add({ ...sum, packets: Math.max(0, sum.packets - (had?.packets ?? 0)), bytes: Math.max(0, sum.bytes - (had?.bytes ?? 0)) });
      }
      before.clear();
    },
    policies() {
      addNamed();
      return [...policies.values()].map(({ policy, total, rules }) => ({ policy, total, rules: new Map(rules) }));
    },
    keepRules(uid, names) {
      const rules = policies.get(uid)?.rules;
      if (rules === undefined) return;
      for (const name of rules.keys())
        if (!names.has(name)) {
          rules.delete(name);
          version++;
        }
    },
    forget(uid) {
      if (policies.delete(uid)) version++;
    },
    state() {
      addNamed();
      const counted = first === undefined ? [...sumsOf(flows.values()).values()] : [...before.values()];
      return {
        switchMark: mark,
        policies: [...policies.values()].map(({ policy, total, rules }) => ({ policy, total, rules: new Map(rules) })),
        counted: counted.map(({ ruleId, kind, packets, bytes }) => {
          const name = findName(ruleId);
          const named = name && {
            name: { uid: name.policy.uid, action: name.action, ...(name.rule !== undefined && { rule: name.rule }) },
          };
          return { ruleId, kind, packets, bytes, ...named };
        }),
      };
    },
    knownRules: () => new Set([...flows.values()].flatMap(({ ruleId, kind }) => (kind === "known" ? [ruleId] : []))),
    get version() {
      return version;
    },
  };
}

const sumKey = ({ ruleId, kind }: Pick<FlowReading, "ruleId" | "kind">): string => `${kind} ${ruleId}`;

function gather(sums: Map<string, FlowReading>, reading: FlowReading): void {
  const key = sumKey(reading);
  const present = sums.get(key);
  sums.set(key, {
    ...reading,
    key,
    packets: reading.packets + (present?.packets ?? 0),
    bytes: reading.bytes + (present?.bytes ?? 0),
  });
}

function sumsOf(readings: Iterable<Omit<FlowReading, "key">>): Map<string, FlowReading> {
  const sums = new Map<string, FlowReading>();
  for (const reading of readings) if (!isNothing({ sessions: 0, ...reading })) gather(sums, { ...reading, key: "" });
  return sums;
}
