import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import { compileLocalPort, compileSkeleton, createPipeline } from "../src/core/pipeline/index.ts";
import { createPolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import type { Bench } from "./bench.ts";
import { fromGroups, group, localPort, member, numbers, policy, rule, subjects, tcp } from "./policy-rows.ts";

const pods = 20;
const policies = 50;
const peers = 200;

/** How many flows policies add to a node's switch, when all of them name the same peers. IPv4. */
export const bench: Bench = {
  goals: { flows_added: 400 },
  run({ print }) {
    const pipeline = createPipeline();
    const ledger = createFlowLedger();
    const compiler = createPolicyCompiler({ pipeline, ledger, families: [4] });
    ledger.set("skeleton", compileSkeleton(pipeline));
    for (const number of numbers(pods, 1)) {
      const port = localPort(number);
      ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
      compiler.setPort(port);
    }
    compiler.compile();
    const before = ledger.size;
    compiler.setAppliedToGroup(subjects("all", numbers(pods, 1)));
    compiler.setAddressGroup(
      group(
        "peers",
        numbers(peers).map((number) => member(number)),
      ),
    );
    compiler.setPolicy(policy("deny", "all", rule({ direction: "In" }), rule({ direction: "Out" })));
    for (const number of numbers(policies))
      compiler.setPolicy(policy(`allow-${number}`, "all", rule({ peer: fromGroups("peers"), services: tcp(1_000 + number) })));
    compiler.compile();
    print(`${before} flows without policies, ${ledger.size} with them`);
    for (const [table, count] of countByTable(ledger.flows(), (number) => pipeline.nameOf(number) ?? "").toSorted())
      print(`${table}: ${count}`);
    return Promise.resolve({ flows_added: ledger.size - before });
  },
};

function countByTable(
  flows: Iterable<readonly [key: string, flow: { readonly table: number }]>,
  nameOf: (table: number) => string,
): (readonly [table: string, count: number])[] {
  const counts = new Map<string, number>();
  for (const [, { table }] of flows) counts.set(nameOf(table), (counts.get(nameOf(table)) ?? 0) + 1);
  return [...counts].filter(([table]) => /Members|Prefixes|Rule|SecurityClassifier/.test(table));
}
