import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import { createPipeline } from "../src/core/pipeline/index.ts";
import { createPolicyCompiler, type PolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import { parsePrefix } from "../src/lib/ip/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { fromGroups, group, localPort, member, numbers, policy, rule, subjects, tcp } from "./policy-rows.ts";

/** Like a Go benchmark, the median of several rounds: the first ones warm the process up. */
const rounds = 15;

interface Shape {
  readonly name: string;
  readonly fill: (compiler: PolicyCompiler) => void;
}

/** 100 rules × 500 addresses, of which all rules share 250, × 2 ports. */
const goShape: Shape = {
  name: "go_shape_ms",
  fill(compiler) {
    for (const each of numbers(100)) {
      const own = numbers(250, 1_000 + each * 250).map((number) => member(number));
      const shared = numbers(250).map((number) => member(number));
      compiler.setAddressGroup(group(`peers-${each}`, [...shared, ...own]));
      compiler.setPolicy(policy(`policy-${each}`, "pods", rule({ peer: fromGroups(`peers-${each}`), services: tcp(80, 443) })));
    }
  },
};

/** 1 000 rules over 100 sets of 500 addresses each. */
const shared: Shape = {
  name: "shared_ms",
  fill(compiler) {
    for (const each of numbers(100)) {
      const members = numbers(500, each * 500).map((number) => member(number));
      compiler.setAddressGroup(group(`peers-${each}`, members));
    }
    for (const each of numbers(1_000))
      compiler.setPolicy(policy(`policy-${each}`, "pods", rule({ peer: fromGroups(`peers-${each % 100}`), services: tcp(1 + each) })));
  },
};

/** One rule of 15 000 blocks. */
const blocks: Shape = {
  name: "blocks_ms",
  fill(compiler) {
    const ipBlocks = numbers(15_000).map((number) => ({ cidr: parsePrefix(`30.${number >> 8}.${number & 255}.0/24`), except: [] }));
    compiler.setPolicy(policy("policy", "pods", rule({ peer: { ...fromGroups(), ipBlocks }, services: tcp(80) })));
  },
};

/** 5 000 rules of one block each. */
const singles: Shape = {
  name: "singles_ms",
  fill(compiler) {
    for (const each of numbers(5_000)) {
      const ipBlocks = [{ cidr: parsePrefix(`30.${each >> 8}.${each & 255}.0/24`), except: [] }];
      compiler.setPolicy(policy(`policy-${each}`, "pods", rule({ peer: { ...fromGroups(), ipBlocks }, services: tcp(80) })));
    }
  },
};

/** Policies and groups to flows and to the change for the switch, without a switch. IPv4, one pod. */
export const bench: Bench = {
  goals: { go_shape_ms: 40, shared_ms: 20 },
  run({ print }) {
    const figures: Record<string, number> = {};
    for (const shape of [goShape, shared, blocks, singles]) {
      const tries = numbers(rounds).map(() => measure(shape));
      const took = tries.map(({ ms }) => ms);
      print(
        `${shape.name}: ${tries[0]?.flows} flows; first round ${took[0]?.toFixed(1)}, quickest ${Math.min(...took).toFixed(1)}, slowest ${Math.max(...took).toFixed(1)} ms`,
      );
      figures[shape.name] = percentile(took, 0.5);
    }
    return Promise.resolve(figures);
  },
};

function measure({ fill }: Shape): { readonly ms: number; readonly flows: number } {
  const pipeline = createPipeline();
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger, families: [4] });
  compiler.setPort(localPort(1));
  compiler.setAppliedToGroup(subjects("pods", [1]));
  compiler.compile();
  ledger.takeChange();
  const started = performance.now();
  fill(compiler);
  compiler.compile();
  const { add } = ledger.takeChange();
  return { ms: performance.now() - started, flows: add.length };
}
