import assert from "node:assert/strict";
import { test } from "node:test";
import { containerHash } from "./container-config.ts";
import { createCrashBackoff } from "./crash-backoff.ts";
import type { ObservedContainer, ObservedPod } from "./observe.ts";
import { planPod } from "./plan.ts";
import type { KubeletContainer, KubeletPod, KubeletPodSpec } from "./pod.ts";

const now = Date.UTC(2026, 0, 1);
const main: KubeletContainer = { name: "main", image: "busybox" };
const prepare: KubeletContainer = { name: "prepare", image: "busybox" };

const pod = (spec: Partial<KubeletPodSpec> = {}, status?: KubeletPod["status"]): KubeletPod => ({
  metadata: { name: "web", namespace: "shop", uid: "u1" },
  spec: { containers: [main], ...spec },
  ...(status === undefined ? {} : { status }),
});

const sandbox = (attempt = 0, ready = true) => ({ id: `s${attempt}`, attempt, ready, createdAt: BigInt(attempt), ips: ["10.0.0.2"] });

const container = (values: Partial<ObservedContainer>): ObservedContainer => {
  const name = values.name ?? "main";
  return {
    id: `${name}-${values.attempt ?? 0}`,
    name,
    sandboxId: "s0",
    attempt: 0,
    hash: containerHash(name === "main" ? main : prepare),
    state: "running",
    createdAt: 0n,
    startedAt: 1n,
    finishedAt: BigInt(now) * 1_000_000n,
    exitCode: 0,
    reason: "",
    message: "",
    imageRef: "sha256:1",
    logPath: "",
    ...values,
  };
};

const plan = (wanted: KubeletPod, observed: Partial<ObservedPod>, extra: Partial<Parameters<typeof planPod>[0]> = {}) =>
  planPod({
    pod: wanted,
    observed: { sandboxes: [], containers: [], ...observed },
    unhealthy: () => undefined,
    started: () => true,
    backoff: createCrashBackoff(),
    now,
    ...extra,
  });

const started = ({ start }: ReturnType<typeof planPod>) => start.map(({ container: { name }, attempt }) => `${name} ${attempt}`);

test("a new pod gets a sandbox first, then its init containers one by one, then the others", () => {
  const wanted = pod({ initContainers: [prepare] });
  assert.deepEqual(plan(wanted, {}).createSandbox, { attempt: 0 });
  const sandboxes = [sandbox()];
  assert.deepEqual(started(plan(wanted, { sandboxes })), ["prepare 0"]);
  assert.deepEqual(started(plan(wanted, { sandboxes, containers: [container({ name: "prepare" })] })), []);
  assert.deepEqual(started(plan(wanted, { sandboxes, containers: [container({ name: "prepare", state: "exited" })] })), ["main 0"]);
});

test("who ends is started again as the restart policy says", () => {
  const sandboxes = [sandbox()];
  const ended = (exitCode: number) => ({ sandboxes, containers: [container({ state: "exited", exitCode })] });
  const rows = [
    ["Always", 0, ["main 1"], false],
    ["Always", 1, ["main 1"], false],
    ["OnFailure", 0, [], true],
    ["OnFailure", 1, ["main 1"], false],
    ["Never", 0, [], true],
    ["Never", 1, [], true],
  ] as const;
  for (const [restartPolicy, exitCode, expected, finished] of rows) {
    const result = plan(pod({ restartPolicy }), ended(exitCode));
    assert.deepEqual(started(result), expected, `${restartPolicy} ${exitCode}`);
    assert.equal(result.finished, finished, `${restartPolicy} ${exitCode}`);
    assert.deepEqual(result.stopSandboxes.length, finished ? 1 : 0);
  }
});

test("a failed init container ends a pod that is never restarted, and is repeated otherwise", () => {
  const failed = { sandboxes: [sandbox()], containers: [container({ name: "prepare", state: "exited", exitCode: 1 })] };
  assert.equal(plan(pod({ initContainers: [prepare], restartPolicy: "Never" }), failed).finished, true);
  assert.deepEqual(started(plan(pod({ initContainers: [prepare] }), failed)), ["prepare 1"]);
});

test("waits double from the second end on, and are forgotten after a long run", () => {
  const backoff = createCrashBackoff();
  const wanted = pod();
  const end = (attempt: number, at: number) => ({
    sandboxes: [sandbox()],
    containers: [container({ state: "exited", exitCode: 1, attempt, finishedAt: BigInt(at) * 1_000_000n })],
  });
  assert.deepEqual(started(plan(wanted, end(0, now), { backoff })), ["main 1"]);
  backoff.restarted("u1/main", now, now);
  const waiting = plan(wanted, end(1, now), { backoff });
  assert.deepEqual(started(waiting), []);
  assert.equal(waiting.recheckAt, now + 10_000);
  assert.deepEqual(waiting.waiting.get("main"), {
    reason: "CrashLoopBackOff",
    message: "back-off 10s restarting failed container=main pod=web_shop(u1)",
  });
  const later = now + 10_000;
  assert.deepEqual(started(plan(wanted, end(1, now), { backoff, now: later })), ["main 2"]);
  backoff.restarted("u1/main", now, later);
  assert.equal(plan(wanted, end(2, later), { backoff, now: later }).recheckAt, later + 20_000);
  const muchLater = later + 11 * 60_000;
  assert.deepEqual(started(plan(wanted, end(2, muchLater), { backoff, now: muchLater })), ["main 3"]);
});

test("a lost sandbox is replaced, its containers run again, the count of restarts goes on", () => {
  const observed = { sandboxes: [sandbox(0, false)], containers: [container({ state: "exited", exitCode: 255, attempt: 3 })] };
  assert.deepEqual(plan(pod(), observed).createSandbox, { attempt: 1 });
  assert.deepEqual(started(plan(pod(), { ...observed, sandboxes: [sandbox(1), sandbox(0, false)] })), ["main 4"]);
  const done = { ...observed, containers: [container({ state: "exited" })] };
  assert.equal(plan(pod({ restartPolicy: "Never" }), done).createSandbox, undefined);
});

test("another image or a failed liveness probe ends the running container; nothing else does", () => {
  const running = { sandboxes: [sandbox()], containers: [container({})] };
  const quiet = plan(pod(), running);
  assert.deepEqual([quiet.kill, quiet.start, quiet.remove, quiet.stopSandboxes], [[], [], [], []]);
  assert.match(plan(pod({ containers: [{ ...main, image: "other" }] }), running).kill[0]?.because ?? "", /definition changed/);
  assert.equal(plan(pod(), running, { unhealthy: () => "sick" }).kill[0]?.because, "sick");
});

test("a pod that the API calls ended has its containers ended before its sandbox", () => {
  const failed = pod({}, { phase: "Failed" });
  const result = plan(failed, { sandboxes: [sandbox()], containers: [container({})] });
  assert.equal(result.kill.length, 1);
  assert.deepEqual(result.stopSandboxes, []);
  assert.equal(plan(failed, { sandboxes: [sandbox()], containers: [container({ state: "exited" })] }).stopSandboxes.length, 1);
});

test("the run before the current one is kept, older ones go", () => {
  const runs = [2, 1, 0].map((attempt) => container({ attempt, state: attempt === 2 ? "running" : "exited" }));
  assert.deepEqual(plan(pod(), { sandboxes: [sandbox()], containers: runs }).remove, ["main-0"]);
});

test("a sidecar starts before what comes after it, goes on beside the others, and ends with them", () => {
  const sidecar: KubeletContainer = { name: "prepare", image: "busybox", restartPolicy: "Always" };
  const wanted = pod({ initContainers: [sidecar], restartPolicy: "Never" });
  const sandboxes = [sandbox()];
  const running = container({ name: "prepare" });
  assert.deepEqual(started(plan(wanted, { sandboxes })), ["prepare 0"]);
  assert.deepEqual(started(plan(wanted, { sandboxes, containers: [running] }, { started: () => false })), []);
  assert.deepEqual(started(plan(wanted, { sandboxes, containers: [running] })), ["main 0"]);
  const ended = container({ name: "prepare", state: "exited", exitCode: 1, finishedAt: 0n });
  assert.deepEqual(started(plan(wanted, { sandboxes, containers: [container({}), ended] })), ["prepare 1"]);
  const over = plan(wanted, { sandboxes, containers: [container({ state: "exited" }), running] });
  assert.equal(over.finished, true);
  assert.deepEqual(
    over.kill.map(({ container: { name } }) => name),
    ["prepare"],
  );
});

test("a pod whose time is over is ended, and looked at when it will be", () => {
  const startTime = new Date(now - 10_000).toISOString();
  const observed = { sandboxes: [sandbox()], containers: [container({})] };
  const later = plan(pod({ activeDeadlineSeconds: 30 }, { startTime }), observed);
  assert.equal(later.expired, false);
  assert.equal(later.recheckAt, now + 20_000);
  const over = plan(pod({ activeDeadlineSeconds: 10 }, { startTime }), observed);
  assert.equal(over.expired, true);
  assert.equal(over.kill.length, 1);
});
