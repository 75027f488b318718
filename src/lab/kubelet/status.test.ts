import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedContainer, ObservedPod } from "./observe.ts";
import type { KubeletPod, KubeletPodSpec, PodStatus } from "./pod.ts";
import { podStatus, type StatusInput } from "./status.ts";

const now = Date.UTC(2026, 0, 1);
const pod = (spec: Partial<KubeletPodSpec> = {}, status?: PodStatus): KubeletPod => ({
  metadata: { name: "web", namespace: "shop", uid: "u1" },
  spec: { containers: [{ name: "main", image: "busybox" }], ...spec },
  ...(status === undefined ? {} : { status }),
});
const sandbox = { id: "s0", attempt: 0, ready: true, createdAt: 0n, ips: ["10.0.0.2", "fd00::2"] };
const run = (values: Partial<ObservedContainer>): ObservedContainer => ({
  id: "c1",
  name: "main",
  sandboxId: "s0",
  attempt: 0,
  hash: "",
  state: "running",
  createdAt: 0n,
  startedAt: BigInt(now) * 1_000_000n,
  finishedAt: BigInt(now + 5_000) * 1_000_000n,
  exitCode: 0,
  reason: "",
  message: "",
  imageRef: "sha256:1",
  logPath: "",
  ...values,
});
const status = (wanted: KubeletPod, observed: Partial<ObservedPod>, extra: Partial<StatusInput> = {}): PodStatus =>
  podStatus({
    pod: wanted,
    observed: { sandboxes: [sandbox], containers: [], ...observed },
    plan: { waiting: new Map() },
    blocked: new Map(),
    probed: () => ({ started: true, ready: true }),
    terminationMessage: () => "",
    hostIps: ["192.0.2.1", "2001:db8::1"],
    terminated: false,
    now,
    ...extra,
  });
const conditions = (reported: PodStatus) =>
  Object.fromEntries(
    (reported.conditions ?? []).map(({ type, status: value, reason }) => [type, reason === undefined ? value : `${value} ${reason}`]),
  );

test("a pod that is being made is Pending", () => {
  const made = status(pod(), { sandboxes: [] });
  assert.equal(made.phase, "Pending");
  assert.equal(made.podIP, undefined);
  assert.deepEqual(made.containerStatuses, [
    {
      name: "main",
      state: { waiting: { reason: "ContainerCreating" } },
      lastState: {},
      ready: false,
      restartCount: 0,
      image: "busybox",
      imageID: "",
      started: false,
    },
  ]);
  assert.deepEqual(conditions(made), {
    PodReadyToStartContainers: "False",
    Initialized: "True",
    Ready: "False ContainersNotReady",
    ContainersReady: "False ContainersNotReady",
    PodScheduled: "True",
  });
});

test("a running pod has the addresses of both families, the node's first family first", () => {
  const running = status(pod(), { containers: [run({})] });
  assert.equal(running.phase, "Running");
  assert.equal(running.podIP, "10.0.0.2");
  assert.deepEqual(running.podIPs, [{ ip: "10.0.0.2" }, { ip: "fd00::2" }]);
  assert.deepEqual(running.containerStatuses?.[0]?.state, { running: { startedAt: "2026-01-01T00:00:00Z" } });
  assert.equal(conditions(running).Ready, "True");
  assert.equal(status(pod(), { containers: [run({})] }, { hostIps: ["2001:db8::1"] }).podIP, "fd00::2");
  assert.deepEqual(status(pod({ hostNetwork: true }), { containers: [run({})] }).podIPs, [{ ip: "192.0.2.1" }, { ip: "2001:db8::1" }]);
});

test("the phase of a pod whose container has ended follows its restart policy", () => {
  const rows = [
    ["Always", 1, "Running"],
    ["OnFailure", 1, "Running"],
    ["OnFailure", 0, "Succeeded"],
    ["Never", 0, "Succeeded"],
    ["Never", 1, "Failed"],
  ] as const;
  for (const [restartPolicy, exitCode, phase] of rows)
    assert.equal(
      status(pod({ restartPolicy }), { containers: [run({ state: "exited", exitCode })] }).phase,
      phase,
      `${restartPolicy} ${exitCode}`,
    );
  const deleted = status(pod({ restartPolicy: "Always" }), { containers: [run({ state: "exited", exitCode: 143 })] }, { terminated: true });
  assert.equal(deleted.phase, "Failed");
});

test("a container in back-off waits, and its end is its last state", () => {
  const waiting = new Map([["main", { reason: "CrashLoopBackOff", message: "back-off" }]]);
  const reported = status(pod(), { containers: [run({ state: "exited", exitCode: 3, attempt: 2 })] }, { plan: { waiting } });
  const [container] = reported.containerStatuses ?? [];
  assert.equal(reported.phase, "Running");
  assert.equal(container?.restartCount, 2);
  assert.deepEqual(container?.state, { waiting: { reason: "CrashLoopBackOff", message: "back-off" } });
  assert.deepEqual(container?.lastState, {
    terminated: {
      exitCode: 3,
      reason: "Error",
      startedAt: "2026-01-01T00:00:00Z",
      finishedAt: "2026-01-01T00:00:05Z",
      containerID: "containerd://c1",
    },
  });
});

test("init containers hold the others back", () => {
  const wanted = pod({ initContainers: [{ name: "prepare", image: "busybox" }] });
  const reported = status(wanted, { containers: [run({ name: "prepare" })] });
  assert.equal(reported.phase, "Pending");
  assert.deepEqual(reported.containerStatuses?.[0]?.state, { waiting: { reason: "PodInitializing" } });
  assert.equal(conditions(reported).Initialized, "False ContainersNotInitialized");
  assert.equal(status(wanted, { containers: [run({}), run({ name: "prepare", state: "exited" })] }).phase, "Running");
});

test("times of transition stay while a condition stays, and what others wrote is kept", () => {
  const first = status(pod(), { containers: [run({})] });
  const gate = { type: "example.org/open", status: "True" as const };
  const before = { ...first, conditions: [...(first.conditions ?? []), gate] };
  const wanted = pod({ readinessGates: [{ conditionType: gate.type }] }, before);
  const second = status(wanted, { containers: [run({})] }, { now: now + 60_000 });
  assert.deepEqual(second.conditions, before.conditions);
  assert.equal(second.startTime, first.startTime);
  const third = status(wanted, { containers: [run({})] }, { now: now + 60_000, probed: () => ({ started: true, ready: false }) });
  assert.equal(third.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime, "2026-01-01T00:01:00Z");
});

test("a pod that has ended keeps its phase and its addresses", () => {
  const ended = status(pod({ restartPolicy: "Never" }), { containers: [run({})] });
  const wanted = pod({ restartPolicy: "Never" }, { ...ended, phase: "Succeeded" });
  const reported = status(wanted, { sandboxes: [], containers: [run({ state: "exited" })] });
  assert.equal(reported.phase, "Succeeded");
  assert.deepEqual(reported.podIPs, ended.podIPs);
  assert.equal(conditions(reported).Ready, "False PodCompleted");
});

test("a sidecar counts for readiness and holds the pod's end until it has ended itself", () => {
  const wanted = pod({ restartPolicy: "Never", initContainers: [{ name: "side", image: "busybox", restartPolicy: "Always" }] });
  const side = run({ id: "c2", name: "side" });
  const unready = status(wanted, { containers: [run({}), side] }, { probed: (_, id) => ({ started: true, ready: id !== "c2" }) });
  assert.equal(conditions(unready).Ready, "False ContainersNotReady");
  assert.equal(conditions(unready).Initialized, "True");
  assert.equal(unready.initContainerStatuses?.[0]?.started, true);
  const ended = run({ state: "exited" });
  assert.equal(status(wanted, { containers: [ended, side] }).phase, "Running");
  assert.equal(status(wanted, { containers: [ended, run({ ...side, state: "exited", exitCode: 137 })] }).phase, "Succeeded");
});

test("a pod that was ended by its deadline has failed, and says so from then on", () => {
  const wanted = pod({ activeDeadlineSeconds: 10 });
  const plan = { waiting: new Map(), expired: true };
  assert.equal(status(wanted, { containers: [run({})] }, { plan }).phase, "Running", "before its containers have ended");
  const over = status(wanted, { containers: [run({ state: "exited", exitCode: 143 })] }, { plan });
  assert.deepEqual([over.phase, over.reason], ["Failed", "DeadlineExceeded"]);
  const later = status(pod(wanted.spec, over), { containers: [run({ state: "exited", exitCode: 143 })] });
  assert.deepEqual([later.phase, later.reason], ["Failed", "DeadlineExceeded"]);
});
