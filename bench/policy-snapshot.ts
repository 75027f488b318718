import { getHeapStatistics } from "node:v8";
import { writeSnapshot } from "../src/agent/policies/index.ts";
import type { Group, GroupMember } from "../src/core/api/controlplane/index.ts";
import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import { createPipeline } from "../src/core/pipeline/index.ts";
import { createPolicyCompiler, type PolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import type { Files } from "../src/lib/runtime/index.ts";
import type { Bench } from "./bench.ts";
import { fromGroups, group, localPort, member, numbers, policy, rule, subjects, tcp } from "./policy-rows.ts";

const rounds = { cold: 5, warm: 25 };
const size = { policies: 200, peers: 200, subjects: 100, ports: 100, large: 10_000, small: 50 };

/** Files in memory: what the disk itself costs is not of the processor. */
const files: Files = {
  read: () => Promise.reject(new Error("nobody reads")),
  replace: () => Promise.resolve(),
  makeFolder: () => Promise.resolve(),
  rename: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};

/** One snapshot of 200 policies, 300 groups and 20 000 members, after a change: the least time of the later rounds, and what is allocated in the heap. */
export const bench: Bench = {
  goals: {},
  async run({ print }) {
    const policies = numbers(size.policies).map((each) =>
      policy(`p-${each}`, `pods-${each % size.subjects}`, rule({ peer: fromGroups(`peers-${each}`), services: tcp(80, 443) })),
    );
    const groups = numbers(size.peers).map((each) => group(`peers-${each}`, membersOf(each, each === 0 ? size.large : size.small)));
    const appliedToGroups = numbers(size.subjects).map((each) => subjects(`pods-${each}`, [each, (each * 7 + 1) % size.ports]));
    const compiler = createPolicyCompiler({ pipeline: createPipeline(), ledger: createFlowLedger() });
    for (const each of numbers(size.ports)) compiler.setPort(localPort(each));
    for (const each of groups) compiler.setAddressGroup(each);
    for (const each of appliedToGroups) compiler.setAppliedToGroup(each);
    for (const each of policies) compiler.setPolicy(each);
    compiler.compile();
    compiler.settle();
    const openPorts = numbers(size.ports).map((each) => `pod-${each}`);
    const write = () =>
      writeSnapshot(
        "policies",
        { policies, addressGroups: groups, appliedToGroups, allocations: compiler.allocations(), openPorts },
        files,
      );
    const figures: Record<string, number> = { first_ms: (await measured(write)).ms };
    const joins = (index: number) => (round: number) => {
      groups[index] = joined(groups[index] as Group, round, compiler);
    };
    const changes = {
      nothing: () => {},
      small: joins(1),
      large: joins(0),
      policy(round: number) {
        const changed = { ...(policies[round] as (typeof policies)[number]), generation: 2 + round };
        policies[round] = changed;
        compiler.setPolicy(changed);
        compiler.compile();
        compiler.settle();
      },
    };
    for (const [name, change] of Object.entries(changes)) {
      const tries: Measured[] = [];
      for (const round of numbers(rounds.cold + rounds.warm)) {
        change(round);
        tries.push(await measured(write));
      }
      const warm = tries.slice(rounds.cold);
      figures[`${name}_ms`] = Math.min(...warm.map(({ ms }) => ms));
      figures[`${name}_kib`] = Math.min(...warm.map(({ kib }) => kib));
    }
    const asked = numbers(rounds.warm).map(() => measuredNow(() => void compiler.allocations()).ms);
    figures.allocations_ms = Math.min(...asked);
    print(`${size.policies} policies, ${groups.length + appliedToGroups.length} groups, ${await write()} bytes`);
    return figures;
  },
};

const membersOf = (each: number, count: number): GroupMember[] => numbers(count, each * size.small).map((number) => member(number));

/** As the agent's assembly gives it after a patch: another object with the members that there were, and one more. */
function joined({ name, members }: Group, round: number, compiler: PolicyCompiler): Group {
  const added = [member(40_000 + round, "10.30")];
  compiler.patchAddressGroup({ name, uid: name, added, removed: [] });
  compiler.compile();
  compiler.settle();
  return group(name, [...members, ...added]);
}

interface Measured {
  readonly ms: number;
  readonly kib: number;
}

async function measured(write: () => Promise<unknown>): Promise<Measured> {
  const begun = now();
  await write();
  return since(begun);
}

function measuredNow(work: () => void): Measured {
  const begun = now();
  work();
  return since(begun);
}

const now = () => ({ at: performance.now(), allocated: allocated() });

const since = ({ at, allocated: before }: ReturnType<typeof now>): Measured => ({
  ms: performance.now() - at,
  kib: (allocated() - before) / 1_024,
});

/** Of all objects that there ever were. */
const allocated = (): number => (getHeapStatistics() as unknown as { readonly total_allocated_bytes: number }).total_allocated_bytes;
