import assert from "node:assert/strict";
import { test } from "node:test";
import { parseControllerConfig } from "./config.ts";

test("wrong values refuse the start by key and reason, unknown keys only warn", () => {
  assert.throws(() => parseControllerConfig("apiPort: x", "c.conf"), /c\.conf: apiPort: "x" is not a whole number/);
  assert.throws(
    () => parseControllerConfig("featureGates: {ClusterNetworkPolicy: true, AntreaPolicy: false}", "c.conf"),
    /ClusterNetworkPolicy: needs AntreaPolicy/,
  );
  const { unknown, values } = parseControllerConfig("apiPort: 1\nnewer: {key: 1}\nfeatureGates: {Newer: true, Egress: false}", "c.conf");
  assert.equal(values.apiPort, 1);
  assert.equal(unknown.length, 2);
});
