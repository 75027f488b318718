import assert from "node:assert/strict";
import { it } from "node:test";
import type { FullNode } from "../../kinds/node.ts";
import type { FullPod } from "../../kinds/pod/types.ts";
import { choose, covers, refusal } from "./fit.ts";

const node = (name: string, spec: FullNode["spec"] = {}, ready = "True"): FullNode => ({
  metadata: { name, labels: { disk: name } },
  spec,
  status: { conditions: [{ type: "Ready", status: ready as "True" }] },
});

const pod = (spec: Partial<FullPod["spec"]> = {}, owner?: string): FullPod => ({
  metadata: {
    name: "web",
    ...(owner === undefined
      ? {}
      : { ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }] }),
  },
  spec: { containers: [{ name: "main" }], ...spec },
});

it("tells why a pod does not fit", () => {
  const hostPort = { containers: [{ name: "main", ports: [{ containerPort: 80, hostPort: 80 }] }] };
  const taints = [{ key: "a", value: "b", effect: "NoSchedule" }];
  const cases: [FullPod, FullNode, readonly FullPod[], string | undefined][] = [
    [pod(), node("n"), [], undefined],
    [pod(), node("n", { unschedulable: true }), [], "were unschedulable"],
    [pod(), node("n", {}, "Unknown"), [], "were not ready"],
    [pod(), node("n", { taints }), [], "had untolerated taint {a: b}"],
    [pod({ tolerations: [{ key: "a", operator: "Exists" }] }), node("n", { taints }), [], undefined],
    [pod({ nodeSelector: { disk: "m" } }), node("n"), [], "didn't match Pod's node affinity/selector"],
    [pod(hostPort), node("n"), [pod(hostPort)], "didn't have free ports for the requested pod ports"],
    [pod(), node("n"), Array.from({ length: 110 }, () => pod()), "Too many pods"],
  ];
  for (const [wanted, target, present, expected] of cases) assert.equal(refusal(wanted, target, present), expected);
});

it("matches tolerations with taints as Kubernetes does", () => {
  const taint = { key: "a", value: "b", effect: "NoExecute" };
  assert.equal(covers({ operator: "Exists" }, taint), true);
  assert.equal(covers({ key: "a", value: "b" }, taint), true);
  assert.equal(covers({ key: "a", value: "c" }, taint), false);
  assert.equal(covers({ key: "a", operator: "Exists", effect: "NoSchedule" }, taint), false);
  assert.equal(covers({ key: "", value: "b" }, taint), false);
});

it("spreads the pods of an owner first, then all pods", () => {
  const on: Readonly<Record<string, readonly FullPod[]>> = { a: [pod({}, "x")], b: [pod({}, "y"), pod({}, "y")], c: [pod({}, "y")] };
  const best = (owner: string) =>
    choose(
      pod({}, owner),
      ["a", "b", "c"].map((name) => node(name)),
      (name) => on[name] ?? [],
    )?.metadata.name;
  assert.equal(best("x"), "c");
  assert.equal(best("y"), "a");
  assert.equal(best("z"), "a");
});
