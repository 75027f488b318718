import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkPolicy, nothing, type PolicyRule } from "#core/api/controlplane/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { readCookie } from "../cookie.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { createPipeline } from "../tables.ts";
import { evaluate } from "../testing/evaluate.ts";
import { createPolicyCompiler } from "./index.ts";
import { addWebPod } from "./testing/web-pod.ts";

// One pod; packets come to its ports 80 to 83. What a policy that is staged says is written to the right, and never changes whether a packet arrives.
const pipeline = createPipeline();
const everybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };
const rule = (port: number | undefined, parts: Partial<PolicyRule> = {}): PolicyRule => ({
  direction: "In",
  peer: everybody,
  services: port === undefined ? [] : [{ protocol: "TCP", port }],
  priority: 0,
  action: "Allow",
  enableLogging: false,
  appliedToGroups: [],
  l7Protocols: [],
  ...parts,
});
const antrea = (name: string, priority: number, parts: Partial<NetworkPolicy>): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "AntreaNetworkPolicy", namespace: "shop", name, uid: name },
  appliedToGroups: ["web"],
  tierPriority: 250,
  priority,
  rules: [],
  ...parts,
});
const kubernetes = (name: string, parts: Partial<NetworkPolicy>): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
  appliedToGroups: ["web"],
  rules: [],
  ...parts,
});
const staged = true as const;

function start(policies: readonly NetworkPolicy[]) {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger, families: [4] });
  const set = (...wanted: readonly NetworkPolicy[]): void => {
    for (const policy of wanted) compiler.setPolicy(policy);
    compiler.compile();
    compiler.settle();
  };
  addWebPod(compiler);
  set(...policies);
  const misses: Flow[] = pipeline.tables.flatMap(({ feature, miss, number }, index) => {
    if (feature !== "policy" || miss === "drop") return [];
    const table = miss === "next" ? (pipeline.tables[index + 1]?.number ?? 0) : pipeline.table(miss);
    return [{ table: number, priority: 0, cookie: 0n, match: {}, actions: [{ type: "goto_table", table }] }];
  });
  /** Whether a packet to the port arrives, and the names of the rules that it met. */
  const to = (port: number): [arrives: boolean, ...met: (string | undefined)[]] => {
    const flows = [...[...ledger.flows()].map(([, flow]) => flow), ...misses];
    const packet = {
      eth_type: 0x0800n,
      ip_proto: 6n,
      ip_src: 0x0a00_0009n,
      ip_dst: 0x0a00_0005n,
      tcp_dst: BigInt(port),
      reg1: 5n,
      reg0: 0x30n,
    };
    const { arrived, path } = evaluate(flows, packet, {
      table: pipeline.table("IngressSecurityClassifier"),
      until: pipeline.table("ConntrackCommit"),
    });
    const met = path.flatMap((step) => {
      const [table, priority] = step.split(":").map(Number);
      const found = flows.filter((flow) => flow.table === table && flow.priority === priority);
      const ruleId = readCookie(found[0]?.cookie ?? 0n)?.object ?? 0;
      const counted = ruleId === 0 ? undefined : compiler.countedRule(ruleId);
      return counted === undefined ? [] : [`${counted.policy.name}/${counted.rule ?? ""}`];
    });
    return [arrived, ...met];
  };
  return { to, set, compiler };
}

test("a staged rule of a tier is met in its place in the order, once, and what is enforced decides", () => {
  const { to, set } = start([
    antrea("first", 1, { rules: [rule(80, { action: "Drop", name: "no" })] }),
    antrea("would", 2, {
      staged,
      rules: [
        rule(80, { name: "a" }),
        rule(81, { action: "Drop", priority: 1, name: "b" }),
        rule(undefined, { action: "Reject", priority: 2, name: "c" }),
      ],
    }),
    antrea("last", 3, { rules: [rule(82, { name: "yes" }), rule(83, { action: "Drop", priority: 1, name: "end" })] }),
  ]);
  assert.deepEqual(to(80), [false, "first/no"]);
  assert.deepEqual(to(81), [true, "would/b"]);
  assert.deepEqual(to(82), [true, "would/c", "last/yes"]);
  assert.deepEqual(to(83), [false, "would/c", "last/end"]);
  set(antrea("would", 2, { rules: [rule(81, { action: "Drop", name: "b" })] }));
  assert.deepEqual(to(81), [false, "would/b"], "promoted");
});

test("a staged policy of Kubernetes tells what it would allow and deny, where no other isolates the pod", () => {
  const would = kubernetes("would", { staged, rules: [rule(80, { priority: -1 })] });
  const { to, set, compiler } = start([
    would,
    antrea("baseline", 1, { tierPriority: 253, rules: [rule(81, { action: "Drop", name: "b" })] }),
  ]);
  assert.deepEqual(to(80), [true, "would/would-allow"]);
  assert.deepEqual(to(82), [true, "would/would-deny"]);
  assert.deepEqual(to(81), [false, "would/would-deny", "baseline/b"]);
  set(kubernetes("other", { rules: [rule(82, { priority: -1 })] }));
  assert.deepEqual(to(80), [false, "would/would-allow"], "it adds to what others allow");
  assert.deepEqual(to(82), [true, "other/"]);
  assert.deepEqual(to(83), [false], "that it would deny, the other does");
  compiler.removePolicy("other");
  set(kubernetes("would", { rules: [rule(80, { priority: -1 })] }));
  assert.deepEqual([to(80), to(82)], [[true, "would/"], [false]], "promoted");
  compiler.removePolicy("would");
  set();
  assert.deepEqual([to(80), to(81)], [[true], [false, "baseline/b"]], "dropped");
});

test("a staged policy that cannot be read counts nothing and closes nothing; one with logging is logged as what it would do", () => {
  const broken = antrea("broken", 1, {
    staged,
    rules: [rule(80, { action: "Drop", services: [{ protocol: "TCP", port: 80, endPort: 1 }] })],
  });
  const { to, compiler } = start([
    broken,
    antrea("logged", 2, { staged, rules: [rule(81, { action: "Drop", enableLogging: true, name: "l" })] }),
  ]);
  assert.equal(to(82)[0], true);
  assert.deepEqual(to(81), [true, "logged/l"]);
  const [id] = compiler.ruleIdsOf("logged");
  const audited = compiler.auditedRule({ object: id ?? 0, table: "AntreaPolicyIngressRule", interfaceName: () => "web" });
  assert.deepEqual([audited?.disposition, audited?.policy?.name], ["StagedDrop", "logged"]);
});
