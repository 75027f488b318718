import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCommandLine } from "./command-line.ts";
import { parseControllerConfig } from "./config.ts";
import { connectKubernetes } from "./connect.ts";

test("wrong values refuse the start by key and reason, unknown keys only warn", () => {
  assert.throws(() => parseControllerConfig("apiPort: x", "c.conf"), /c\.conf: apiPort: "x" is not a whole number/);
  assert.throws(
    () => parseControllerConfig("featureGates: {ClusterNetworkPolicy: true, AntreaPolicy: false}", "c.conf"),
    /ClusterNetworkPolicy: needs AntreaPolicy/,
  );
  const { notices, values } = parseControllerConfig("apiPort: 1\nnewer: {key: 1}\nfeatureGates: {Newer: true, Egress: false}", "c.conf");
  assert.equal(values.apiPort, 1);
  assert.equal(notices.length, 2);
});

test("outside a Pod a kubeconfig is needed, and the way out is named", () => {
  const { values } = parseControllerConfig("", "c.conf");
  assert.throws(
    () => connectKubernetes({ values, configFile: "c.conf", environment: {} }),
    /c\.conf: clientConnection\.kubeconfig: .*name a kubeconfig/,
  );
  const override = parseControllerConfig("kubeAPIServerOverride: 'a b'\nclientConnection: {kubeconfig: /none}", "c.conf");
  assert.throws(() => connectKubernetes({ values: override.values, configFile: "c.conf", environment: {} }), /\/none/);
});

test("flags of the Go programs are taken, others refused", () => {
  assert.deepEqual(parseCommandLine(["--config", "f", "--v=4", "--logtostderr=false"]), {
    do: "run",
    configFile: "f",
    verbosity: 4,
    notices: ["--logtostderr has no effect: logs go to standard error"],
  });
  assert.equal(parseCommandLine(["--nope"]).do, "refuse");
  assert.equal(parseCommandLine(["--v", "x"]).do, "refuse");
});
