import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import { createPipeline } from "../src/core/pipeline/index.ts";
import { createPolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import type { NetworkPolicy } from "../src/core/api/controlplane/index.ts";
import { type Random, seededRandom } from "../src/lib/runtime/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { fromGroups, group, localPort, member, numbers, policy, rule, subjects, tcp } from "./policy-rows.ts";

const rules = 10_000;
const insertions = 1_000;
const peerSets = 100;

/** Where 1 000 policies come, one after the other, as priorities between those of others (1 to 10 000). */
const places: Readonly<Record<string, (index: number, random: Random) => number>> = {
  /** Each directly behind the one before, all between the same two. */
  behind: (index) => 5_000 + (index + 1) / (insertions + 1),
  /** Each directly before the one before. */
  before: (index) => 5_001 - (index + 1) / (insertions + 1),
  /** Each between the two that came last: it has to be between ever closer ones. */
  inner: (index) => 5_000.5 + (index % 2 === 0 ? 1 : -1) / (index + 3),
  /** Before all. */
  first: (index) => 0.9 - index / 10_000,
  /** Anywhere. */
  anywhere: (_, random) => 1 + random.below(99_990_000) / 10_000,
};

const ordered = (name: string, priority: number, each: number): NetworkPolicy => ({
  ...policy(name, "pods", rule({ peer: fromGroups(`peers-${each % peerSets}`), services: tcp(1 + each), priority: 0, action: "Drop" })),
  sourceRef: { type: "AntreaClusterNetworkPolicy", name, uid: name },
  tierPriority: 250,
  priority,
});

/** What 1 000 rules that come between 10 000 others cost the switch: flow-mods of each, of which one is its own flow. One pod, one family. */
export const bench: Bench = {
  goals: { mods_p99: 40 },
  run({ print }) {
    const figures: Record<string, number> = {};
    for (const [name, priorityOf] of Object.entries(places)) {
      const { mods, ms } = insert(priorityOf);
      const [p50, p99, most] = [percentile(mods, 0.5), percentile(mods, 0.99), Math.max(...mods)];
      const mean = mods.reduce((sum, each) => sum + each, 0) / mods.length;
      print(
        `${name}: flow-mods p50 ${p50}, p99 ${p99}, at most ${most}, mean ${mean.toFixed(1)}; compiled in ${percentile(ms, 0.5).toFixed(1)} ms (p50)`,
      );
      figures[`mods_p99_${name}`] = p99;
      figures[`mods_mean_${name}`] = mean;
    }
    figures.mods_p99 = Math.max(...Object.keys(places).map((name) => figures[`mods_p99_${name}`] ?? Number.NaN));
    return Promise.resolve(figures);
  },
};

function insert(priorityOf: (index: number, random: Random) => number): { readonly mods: number[]; readonly ms: number[] } {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline: createPipeline(), ledger, families: [4] });
  const random = seededRandom(1);
  compiler.setPort(localPort(1));
  compiler.setAppliedToGroup(subjects("pods", [1]));
  for (const each of numbers(peerSets)) compiler.setAddressGroup(group(`peers-${each}`, [member(each)]));
  for (const each of numbers(rules)) compiler.setPolicy(ordered(`p-${each}`, 1 + each, each));
  const apply = (): number => {
    compiler.compile();
    const { add, remove } = ledger.takeChange();
    compiler.settle();
    return add.length + remove.length;
  };
  apply();
  const ms: number[] = [];
  const mods = numbers(insertions).map((index) => {
    const before = process.threadCpuUsage();
    compiler.setPolicy(ordered(`new-${index}`, priorityOf(index, random), index));
    const count = apply();
    const { user, system } = process.threadCpuUsage(before);
    ms.push((user + system) / 1_000);
    return count;
  });
  return { mods, ms };
}
