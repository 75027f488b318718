import assert from "node:assert/strict";
import { test } from "node:test";
import { type TroubledPod, troubledPods, troubledProcesses } from "./trouble.ts";

const pod = (name: string, rest: Partial<TroubledPod>): TroubledPod => ({ metadata: { namespace: "shop", name }, ...rest });

test("a pod that is not ready is told with its node and the reasons there are", () => {
  const waiting = { state: { waiting: { reason: "ImagePullBackOff", message: "no such image" } } };
  const pods = [
    pod("well", { status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } }),
    pod("done", { status: { phase: "Succeeded" } }),
    pod("a", { status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message: "0/2 nodes are available" }] } }),
    pod("b", { spec: { nodeName: "node-1" }, status: { phase: "Pending", containerStatuses: [waiting] } }),
    pod("c", { spec: { nodeName: "node-2" }, status: { phase: "Pending" } }),
  ];
  const events = [
    { type: "Warning", reason: "Old", message: "earlier", involvedObject: { namespace: "shop", name: "c" } },
    { type: "Warning", reason: "FailedCreatePodSandBox", message: "no address", involvedObject: { namespace: "shop", name: "c" } },
    { type: "Warning", reason: "Other", message: "elsewhere", involvedObject: { namespace: "home", name: "c" } },
    { type: "Normal", reason: "Scheduled", message: "fine", involvedObject: { namespace: "shop", name: "c" } },
  ];
  assert.deepEqual(troubledPods(pods, events), [
    "shop/a Pending on no node (0/2 nodes are available)",
    "shop/b Pending on node-1 (ImagePullBackOff no such image)",
    "shop/c Pending on node-2 (FailedCreatePodSandBox: no address)",
  ]);
});

test("many are counted, and one without any reason says that", () => {
  const told = troubledPods(
    Array.from({ length: 7 }, (_, index) => pod(`p${index}`, {})),
    [],
  );
  assert.equal(told.length, 5);
  assert.equal(told[0], "shop/p0 ? on no node (without a reason)");
  assert.equal(told[4], "3 more pods are not ready");
});

test("of processes those that do not run, or ended before", () => {
  assert.deepEqual(
    troubledProcesses([
      { name: "node-1/kubelet", state: "running", restarts: 0 },
      { name: "node-2/kubelet", state: "starting", restarts: 0 },
      { name: "lab-controllers", state: "running", restarts: 2 },
    ]),
    ["node-2/kubelet starting", "lab-controllers running, restarted 2 times"],
  );
});
