import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkPolicy, nothing, type PolicyRule } from "#core/api/controlplane/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { readCookie } from "../cookie.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { createPipeline } from "../tables.ts";
import { createPolicyCompiler } from "./index.ts";
import { addWebPod } from "./testing/web-pod.ts";

const pipeline = createPipeline();
const everybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };
const rule = (parts: Partial<PolicyRule>): PolicyRule => ({
  direction: "In",
  peer: everybody,
  services: [],
  priority: 0,
  action: "Allow",
  enableLogging: false,
  appliedToGroups: [],
  l7Protocols: [],
  ...parts,
});
const actions = ["Allow", "Drop", "Reject", "Pass"] as const;

/** One policy of a tier with a rule of each action, and one of Kubernetes. */
function policies(enableLogging: boolean, names: Pick<PolicyRule, "logLabel"> = {}): readonly NetworkPolicy[] {
  const common = { generation: 1, appliedToGroups: ["web"] };
  const tier = { type: "AntreaNetworkPolicy", namespace: "shop", name: "t", uid: "t" } as const;
  const kubernetes = { type: "K8sNetworkPolicy", namespace: "shop", name: "k", uid: "k" } as const;
  const rules = actions.map((action, priority) =>
    rule({ action, priority, enableLogging, services: [{ protocol: "TCP", port: 80 + priority }], name: `r-${action}`, ...names }),
  );
  return [
    { ...common, name: "t", uid: "t", sourceRef: tier, tierPriority: 250, priority: 5, rules },
    { ...common, name: "k", uid: "k", sourceRef: kubernetes, rules: [rule({ priority: -1, enableLogging })] },
  ];
}

function start({ metered = false } = {}) {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger, families: [4], metered });
  addWebPod(compiler);
  return {
    compiler,
    set(wanted: readonly NetworkPolicy[]) {
      for (const policy of wanted) compiler.setPolicy(policy);
      compiler.compile();
      compiler.settle();
      return ledger.takeChange();
    },
    /** How many flows of shares there are. */
    shares: () => ledger.sizeIn(new Set([pipeline.table("PacketInShares")])),
    logged: () => [...ledger.flows()].map(([, flow]) => flow).filter(isLogged),
  };
}

const isLogged = ({ actions: done }: Flow): boolean => done.some((action) => action.type === "controller" && action.id === 2);
const audited = ({ compiler }: ReturnType<typeof start>, { cookie, table }: Flow) =>
  compiler.auditedRule({
    object: readCookie(cookie)?.object ?? -1,
    table: pipeline.nameOf(table) ?? "",
    interfaceName: (direction) => (direction === "In" ? "web" : undefined),
  });

test("each flow of a rule with logging tells its rule, its flow's priority and its label; so does the default drop of Kubernetes policies", () => {
  const started = start();
  started.set(policies(true, { logLabel: "tag" }));
  const found = started.logged().map((flow) => ({ flow, rule: audited(started, flow) }));
  const [t, k] = policies(true).map(({ sourceRef }) => sourceRef);
  for (const action of actions) {
    const [one, ...others] = found.filter(({ rule: each }) => each?.rule === `r-${action}`);
    assert.ok(one && others.length === 0);
    const expected = { policy: t, rule: `r-${action}`, logLabel: "tag", direction: "In", disposition: action, priority: one.flow.priority };
    assert.deepEqual(one.rule, expected);
  }
  const rest = found.filter(({ rule: each }) => each?.rule === undefined).map(({ rule: each }) => each);
  assert.equal(found.length, actions.length + 2);
  const isDrop = (each: (typeof rest)[number]): boolean => each?.policy === undefined;
  assert.deepEqual(rest.filter(isDrop), [{ direction: "In", disposition: "Drop" }]);
  assert.deepEqual(
    rest.filter((each) => !isDrop(each)).map((each) => [each?.policy, each?.disposition]),
    [[k, "Allow"]],
  );
});

test("a label that changes is told and changes no flow; logging that ends takes every copy away", () => {
  const started = start();
  started.set(policies(true, { logLabel: "one" }));
  const { add, remove } = started.set(policies(true, { logLabel: "two" }));
  assert.deepEqual([add, remove], [[], []]);
  const labels = started.logged().map((flow) => audited(started, flow)?.logLabel);
  assert.equal(labels.filter((label) => label === "two").length, actions.length);
  const [before] = started.logged();
  started.set(policies(false));
  assert.deepEqual(started.logged(), []);
  assert.equal(before && audited(started, before), undefined, "its rule is gone");
  started.set(policies(true));
  assert.equal(started.logged().length, actions.length + 2, "and is back in the profile that is there");
});

test("what a Kubernetes policy isolates from is answered where its namespace asks for that, and logged as rejected", () => {
  const started = start();
  const kubernetes = policies(true).slice(1);
  const isolation = () =>
    started.logged().filter(({ table, cookie }) => pipeline.nameOf(table) === "IngressDefaultRule" && readCookie(cookie)?.object === 0);
  const answers = ({ actions: done }: Flow): boolean => done.some((action) => action.type === "controller" && action.id === 1);
  started.set(kubernetes);
  assert.deepEqual(
    isolation().map((flow) => [answers(flow), audited(started, flow)?.disposition]),
    [[false, "Drop"]],
  );
  started.set(kubernetes.map((policy) => ({ ...policy, refusing: true as const })));
  assert.deepEqual(
    isolation().map((flow) => [answers(flow), audited(started, flow)?.disposition]),
    [[true, "Reject"]],
  );
  started.set(kubernetes);
  assert.deepEqual(
    isolation().map((flow) => [answers(flow), audited(started, flow)?.disposition]),
    [[false, "Drop"]],
  );
});

test("pods have shares of what rules hand to the agent while some rule does, each by the port it has", () => {
  const { compiler, set, shares } = start({ metered: true });
  const [tier, kubernetes] = policies(true) as [NetworkPolicy, NetworkPolicy];
  const silent = {
    ...tier,
    rules: tier.rules.filter(({ action }) => action !== "Reject").map((each) => ({ ...each, enableLogging: false })),
  };
  const seen: number[] = [];
  for (const wanted of [silent, kubernetes, tier, silent]) {
    set([wanted]);
    seen.push(shares());
  }
  compiler.removePolicy(kubernetes.name);
  set([]);
  seen.push(shares());
  set([tier]);
  compiler.removePort("web");
  set([]);
  seen.push(shares());
  // By the port that it comes by and by the one that it goes to: of the audit log, then of rejecting, too.
  assert.deepEqual(seen, [0, 2, 4, 2, 0, 0]);
});
