import assert from "node:assert/strict";
import type { PolicyEngine } from "../engine.ts";

type Told = Readonly<Record<"policies" | "addressGroups" | "appliedToGroups", ReadonlyMap<string, unknown>>>;

/** Insists that the engine, when asked what a node needs, names each once what that node was told. */
export function insistOnTold(engine: PolicyEngine, node: string, told: Told): void {
  const found = {
    policies: engine.policiesOn(node),
    addressGroups: engine.addressGroupsOn(node),
    appliedToGroups: engine.appliedToGroupsOn(node),
  };
  for (const kind of ["policies", "addressGroups", "appliedToGroups"] as const)
    assert.deepEqual([...found[kind]].map(({ name }) => name).sort(), [...told[kind].keys()].sort(), `${kind} of ${node}`);
}
