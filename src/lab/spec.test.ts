import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSpec, defaultPodCidrs, defaultServiceCidrs, type LabSpec, parseNodeCount } from "./spec.ts";

const spec: LabSpec = {
  name: "one",
  nodes: 2,
  podCidrs: defaultPodCidrs,
  serviceCidrs: defaultServiceCidrs,
  uplink: false,
  fromSource: false,
};

test("a number of nodes is a whole number; what was typed is told", () => {
  assert.equal(parseNodeCount("0"), 0);
  for (const text of ["x", "", "-1", "1.5", "0x2", "1e1"])
    assert.throws(() => parseNodeCount(text), { message: `--nodes: ${JSON.stringify(text)}: use a whole number from 0 to 200` });
});

test("a lab that cannot be is refused by the flag that says so", () => {
  checkSpec(spec);
  const wrong: [Partial<LabSpec>, RegExp][] = [
    [{ name: "a/b" }, /^--name: "a\/b"/],
    [{ controllers: 0 }, /^--controllers: "0": use a whole number from 1 to 8/],
    [{ controllers: 9 }, /^--controllers: "9"/],
    [{ controllers: 2, joins: "/kubeconfig" }, /^--controllers: "2": a lab that joins/],
    [{ nodes: 201 }, /^--nodes: "201"/],
    [{ podCidrs: ["10.0.0.0/33"] }, /^--pod-cidr: "10\.0\.0\.0\/33"/],
    [{ podCidrs: ["10.10.0.0/16", "10.11.0.0/16"] }, /^--pod-cidr: .*at most one prefix of each family/],
    [{ podCidrs: ["10.10.0.0/16"] }, /^--service-cidr: .*the same families as --pod-cidr/],
  ];
  for (const [change, message] of wrong) assert.throws(() => checkSpec({ ...spec, ...change }), { message });
});
