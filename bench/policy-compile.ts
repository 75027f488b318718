import type { Group, NetworkPolicy } from "../src/core/api/controlplane/index.ts";
import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import { createPipeline } from "../src/core/pipeline/index.ts";
import { createPolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import { parsePrefix } from "../src/lib/ip/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { fromGroups, group, localPort, member, numbers, policy, rule, subjects, tcp } from "./policy-rows.ts";

/** Like a Go benchmark, what counts is a process that is warm: the median of the later rounds. */
const rounds = { cold: 5, warm: 15 };

interface Rows {
  readonly groups: readonly Group[];
  readonly policies: readonly NetworkPolicy[];
}

const peers = (from: readonly number[]) => from.map((number) => member(number));

const shapes: Readonly<Record<string, () => Rows>> = {
  /** 100 rules × 500 addresses, of which all rules share 250, × 2 ports. */
  go_shape_ms: () => ({
    groups: numbers(100).map((each) => group(`peers-${each}`, peers([...numbers(250), ...numbers(250, 1_000 + each * 250)]))),
    policies: numbers(100).map((each) => policy(`p-${each}`, "pods", rule({ peer: fromGroups(`peers-${each}`), services: tcp(80, 443) }))),
  }),
  /** 1 000 rules over 100 sets of 500 addresses each, out of 1 000 pods: every pod is in 50 of them. */
  shared_ms: () => ({
    groups: numbers(100).map((each) => group(`peers-${each}`, peers(numbers(500).map((index) => (each * 10 + index) % 1_000)))),
    policies: tenRulesForEachSet(),
  }),
  /** The same over 100 sets that have nothing in common: 50 000 addresses. */
  disjoint_ms: () => ({
    groups: numbers(100).map((each) => group(`peers-${each}`, peers(numbers(500, each * 500)))),
    policies: tenRulesForEachSet(),
  }),
  /** One rule of 15 000 blocks. */
  blocks_ms: () => ({
    groups: [],
    policies: [policy("p", "pods", rule({ peer: { ...fromGroups(), ipBlocks: numbers(15_000).map(block) }, services: tcp(80) }))],
  }),
  /** 5 000 rules of one block each. */
  singles_ms: () => ({
    groups: [],
    policies: numbers(5_000).map((each) =>
      policy(`p-${each}`, "pods", rule({ peer: { ...fromGroups(), ipBlocks: [block(each)] }, services: tcp(80) })),
    ),
  }),
};

const tenRulesForEachSet = (): NetworkPolicy[] =>
  numbers(1_000).map((each) => policy(`p-${each}`, "pods", rule({ peer: fromGroups(`peers-${each % 100}`), services: tcp(1 + each) })));

const block = (number: number) => ({ cidr: parsePrefix(`30.${number >> 8}.${number & 255}.0/24`), except: [] });

/** Policies and groups to flows and to the change for the switch, without a switch: processor time of the thread. IPv4, one pod. */
export const bench: Bench = {
  goals: { go_shape_ms: 40, shared_ms: 20 },
  run({ print }) {
    const figures: Record<string, number> = {};
    for (const [name, make] of Object.entries(shapes)) {
      const rows = make();
      const tries = numbers(rounds.cold + rounds.warm).map(() => measure(rows));
      const warm = tries.slice(rounds.cold).map(({ ms }) => ms);
      print(
        `${name}: ${tries[0]?.flows} flows; first ${tries[0]?.ms.toFixed(1)}, then ${Math.min(...warm).toFixed(1)} to ${Math.max(...warm).toFixed(1)} ms`,
      );
      figures[name] = percentile(warm, 0.5);
    }
    return Promise.resolve(figures);
  },
};

function measure({ groups, policies }: Rows): { readonly ms: number; readonly flows: number } {
  const pipeline = createPipeline();
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger, families: [4] });
  compiler.setPort(localPort(1));
  compiler.setAppliedToGroup(subjects("pods", [1]));
  compiler.compile();
  ledger.takeChange();
  const before = process.threadCpuUsage();
  for (const each of groups) compiler.setAddressGroup(each);
  for (const each of policies) compiler.setPolicy(each);
  compiler.compile();
  const { add } = ledger.takeChange();
  const { user, system } = process.threadCpuUsage(before);
  return { ms: (user + system) / 1_000, flows: add.length };
}
