import assert from "node:assert/strict";
import { test } from "node:test";
import type { UserInfo } from "#lib/apiserver/user.ts";
import { silentLogger } from "#lib/runtime/index.ts";
import { ownNodeOnly } from "./own-node.ts";

const agent = "system:serviceaccount:kube-system:antrea-agent";
const as = (username: string, node?: string): UserInfo => ({
  username,
  groups: [],
  ...(node !== undefined && { extra: { "authentication.kubernetes.io/node-name": [node] } }),
});

test("an agent whose token names its node has to do with that node alone; refusals are logged", () => {
  const logged: unknown[] = [];
  const check = ownNodeOnly({ agent, logger: { ...silentLogger, warn: (_, fields) => void logged.push(fields) } });
  check(as(agent, "n1"), "networkpolicies", "n1");
  for (const node of ["n2", "", undefined])
    assert.throws(
      () => check(as(agent, "n1"), "networkpolicies", node),
      /networkpolicies\.controlplane\.antrea\.io is forbidden: an agent of node "n1"/,
    );
  assert.equal(logged.length, 3);
});

test("a credential without a node, and users who are no agents, are left to the authorizer", () => {
  const check = ownNodeOnly({ agent, logger: silentLogger });
  check(as(agent), "addressgroups", "n2");
  check(as("system:serviceaccount:kube-system:antctl", "n1"), "addressgroups", undefined);
});
