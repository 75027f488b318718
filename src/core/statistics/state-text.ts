import { policyTypes } from "#core/api/controlplane/index.ts";
import * as json from "#core/api/controlplane/json.ts";
import type { Counters } from "./counters.ts";
import { DamagedStatistics } from "./errors.ts";
import type { PolicyCounters, TallyState } from "./tally.ts";

/** What a node keeps of its statistics from one start to the next. */
export interface KeptStatistics extends TallyState {
  /** Names this node's counting since it last began at zero. */
  readonly epoch: string;
}

const format = "antrea-statistics/1";
const largest = Number.MAX_VALUE;

/** The first line is format and checksum, the second the content. `checksum` makes both sides' digests. */
export function writeStatistics(kept: KeptStatistics, checksum: (content: string) => string): string {
  const content = JSON.stringify({
    epoch: kept.epoch,
    switchMark: kept.switchMark,
    policies: kept.policies.map(({ policy, total, rules }) => ({
      policy,
      total: list(total),
      rules: Object.fromEntries([...rules].map(([name, counters]) => [name, list(counters)])),
    })),
    counted: kept.counted.map(({ ruleId, kind, packets, bytes, name }) => [
      ruleId,
      kind,
      packets,
      bytes,
      ...(name === undefined ? [] : [name]),
    ]),
  });
  return `${format} ${checksum(content)}\n${content}\n`;
}

/** Reads what {@link writeStatistics} wrote. Throws {@link DamagedStatistics} for everything else. */
export function readStatistics(text: string, checksum: (content: string) => string): KeptStatistics {
  const [header = "", content = ""] = text.split("\n", 2);
  if (header !== `${format} ${checksum(content)}`) throw new DamagedStatistics("the checksum is wrong");
  const result = json.decoding(() => read(json.root(JSON.parse(content))));
  if (!result.ok) throw new DamagedStatistics(`${result.path}: ${result.reason}`);
  return result.value;
}

const list = ({ sessions, packets, bytes }: Counters): readonly number[] => [sessions, packets, bytes];

function read(place: json.Place): KeptStatistics {
  return {
    epoch: json.text(json.field(place, "epoch")),
    switchMark: json.whole(json.field(place, "switchMark"), { from: 0, to: 0xffff_ffff }),
    policies: json.items(json.field(place, "policies"), (item): PolicyCounters => {
      const policy = json.field(item, "policy");
      const rules = json.field(item, "rules");
      const names = typeof rules.value === "object" && rules.value !== null ? Object.keys(rules.value) : [];
      return {
        policy: {
          type: json.oneOf(json.field(policy, "type"), policyTypes),
          ...json.optional(policy, "namespace", json.text),
          name: json.text(json.field(policy, "name")),
          uid: json.text(json.field(policy, "uid")),
        },
        total: counters(json.field(item, "total")),
        rules: new Map(names.map((name) => [name, counters(json.field(rules, name))])),
      };
    }),
    counted: json.items(json.field(place, "counted"), (item) => {
      const [ruleId, kind, packets, bytes, name] = parts(item);
      return {
        ruleId: json.whole(ruleId ?? item, { from: 0, to: 0xffff_ffff }),
        kind: json.oneOf(kind ?? item, ["rule", "known"]),
        packets: count(packets ?? item),
        bytes: count(bytes ?? item),
        ...(name === undefined ? {} : { name: nameAt(name) }),
      };
    }),
  };
}

const parts = (place: json.Place): json.Place[] => json.items(place, (part) => part);
const actions = ["Allow", "Drop", "Reject", "Pass"] as const;
const nameAt = (place: json.Place) => ({
  uid: json.text(json.field(place, "uid")),
  action: json.oneOf(json.field(place, "action"), actions),
  ...json.optional(place, "rule", json.text),
});
const count = (place: json.Place): number => json.whole(place, { from: 0, to: largest });

function counters(place: json.Place): Counters {
  const [sessions, packets, bytes] = parts(place);
  return { sessions: count(sessions ?? place), packets: count(packets ?? place), bytes: count(bytes ?? place) };
}
