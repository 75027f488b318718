import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkPolicy, nothing, type RuleAction } from "#core/api/controlplane/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import type { PolicyTarget } from "../policies/assembly.ts";
import { createPolicySets } from "./policy-sets.ts";

function recorder() {
  const calls: string[] = [];
  const target: PolicyTarget = {
    setPolicy: ({ name, rules }) =>
      calls.push(`policy ${name} ${rules.map(({ peer }) => [...peer.addressGroups.map(short), ...peer.fqdns].join("+")).join(",")}`),
    removePolicy: (name) => calls.push(`remove policy ${name}`),
    setAddressGroup: ({ name }) => calls.push(`group ${short(name)}`),
    patchAddressGroup: ({ name, added, removed }) =>
      calls.push(`patch ${short(name)} +${added.map(({ ips }) => ips)} -${removed.map(({ ips }) => ips)}`),
    removeAddressGroup: (name) => calls.push(`remove group ${short(name)}`),
    setAppliedToGroup: ({ name }) => calls.push(`pods ${name}`),
    patchAppliedToGroup: ({ name }) => calls.push(`patch pods ${name}`),
    removeAppliedToGroup: (name) => calls.push(`remove pods ${name}`),
  };
  const names = new Map<string, string>();
  const short = (name: string): string => {
    if (!name.startsWith("fqdn-")) return name;
    names.set(name, names.get(name) ?? `f${names.size + 1}`);
    return names.get(name) ?? "";
  };
  const sets: string[] = [];
  let changes = 0;
  const policySets = createPolicySets({
    target,
    setSet(id, { patterns, denies }) {
      sets.push(`${short(id)} ${patterns.join(" ")} ${denies ? "denies" : "allows"}`);
      return [{ set: id, added: [parseAddress("10.0.0.1")], removed: [] }];
    },
    removeSet: (id) => sets.push(`${short(id)} gone`),
    subjectsChanged: () => changes++,
  });
  const taken = (from: string[]): string[] => from.splice(0);
  return { ...policySets, policySets, calls: () => taken(calls), sets: () => taken(sets), changes: () => changes };
}

function policy(
  name: string,
  rules: readonly (readonly [action: RuleAction, fqdns: readonly string[], groups?: readonly string[]])[],
): NetworkPolicy {
  return {
    name,
    uid: name,
    generation: 1,
    sourceRef: { type: "AntreaClusterNetworkPolicy", name, uid: name },
    appliedToGroups: [`${name}-pods`],
    rules: rules.map(([action, fqdns, addressGroups = []], priority) => ({
      direction: "Out",
      peer: { ...nothing, fqdns, addressGroups },
      services: [],
      priority,
      action,
      enableLogging: false,
      appliedToGroups: [],
      l7Protocols: [],
    })),
  };
}
const pod = (name: string) => ({ pod: { namespace: "shop", name }, ips: [], ports: [] });

test("each list of names is one group, there before the rules that use it and gone after the last", () => {
  const { target, calls, sets } = recorder();
  target.setPolicy(
    policy("one", [
      ["Allow", ["b.test", "A.test."]],
      ["Drop", ["*.c"], ["db"]],
    ]),
  );
  assert.deepEqual(sets(), ["f1 b.test A.test. allows", "f2 *.c denies"]);
  assert.deepEqual(calls(), ["group f1", "patch f1 +10.0.0.1 -", "group f2", "patch f2 +10.0.0.1 -", "policy one f1,db+f2"]);
  // The same names, in another order and by a rule that denies.
  target.setPolicy(policy("two", [["Reject", ["a.test", "b.test"]]]));
  assert.deepEqual(sets(), ["f1 a.test b.test denies"]);
  assert.deepEqual(calls(), ["patch f1 +10.0.0.1 -", "policy two f1"]);
  target.removePolicy("one");
  assert.deepEqual([sets(), calls()], [["f2 gone"], ["remove policy one", "remove group f2"]]);
  target.setPolicy(policy("two", [["Allow", ["a.test", "b.test"]]]));
  assert.deepEqual(sets(), ["f1 a.test b.test allows"]);
  target.setPolicy(policy("two", [["Allow", [], ["db"]]]));
  assert.deepEqual([sets(), calls().slice(-2)], [["f1 gone"], ["policy two db", "remove group f1"]]);
});

test("whose DNS is looked at: the pods of the groups that rules with names apply to", () => {
  const { target, policySets, changes } = recorder();
  target.setAppliedToGroup({ name: "one-pods", uid: "1", members: [pod("a"), pod("b")] });
  target.setAppliedToGroup({ name: "two-pods", uid: "2", members: [pod("c")] });
  assert.deepEqual([changes(), [...policySets.subjects()]], [0, []]);
  target.setPolicy(policy("one", [["Allow", ["a.test"]]]));
  target.setPolicy(policy("two", [["Allow", []]]));
  assert.deepEqual([...policySets.subjects()], ["shop/a", "shop/b"]);
  target.patchAppliedToGroup({ name: "one-pods", uid: "1", added: [pod("d")], removed: [pod("a")] });
  assert.deepEqual([...policySets.subjects()], ["shop/b", "shop/d"]);
  target.removePolicy("one");
  assert.deepEqual([...policySets.subjects()], []);
  assert.ok(changes() >= 3);
});
