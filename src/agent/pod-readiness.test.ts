import assert from "node:assert/strict";
import { test } from "node:test";
import type { LocalPort } from "#core/pipeline/rows.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { KubeApiError, KubeUnreachable, type Pod } from "#lib/kube/index.ts";
import { seconds, virtualRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import type { PodAtRevision } from "./policies/index.ts";
import { openWhenJudged } from "./pod-readiness.ts";

const port: LocalPort = {
  interfaceName: "web-1a2b3c",
  ofport: 1_024,
  mac: parseMac("0a:58:0a:05:00:02"),
  addresses: [parseAddress("10.5.0.2")],
  podNamespace: "shop",
  podName: "web",
  containerId: "c",
};
const web = (resourceVersion: string): Pod => ({ metadata: { namespace: "shop", name: "web", uid: "u", resourceVersion } }) as Pod;

const absent = () =>
  Promise.reject(new KubeApiError("get", 404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound" }));

function setUp(onTimeout: "fail" | "admit", findPod: () => Promise<Pod> = absent) {
  const runtime = virtualRuntime({ seed: 1 });
  const pods = createTable<Pod>({ name: "pods", key: ({ metadata }) => `${metadata.namespace}/${metadata.name}` });
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const opened: (string | undefined)[] = [];
  const open = openWhenJudged({
    runtime,
    flows: { podReady: async ({ resourceVersion }: PodAtRevision) => void opened.push(resourceVersion) },
    pods,
    ports,
    findPod,
    onTimeout,
    signal: new AbortController().signal,
  });
  ports.upsert(port);
  return { runtime, pods, ports, opened, open };
}

test("a pod is opened as the API knows it, from the watch or on being asked", async () => {
  const asked = setUp("fail", async () => web("7"));
  await asked.open(port, new AbortController().signal);
  assert.deepEqual(asked.opened, ["7"]);
  asked.pods.upsert(web("9"));
  await asked.open(port, new AbortController().signal);
  assert.deepEqual(asked.opened, ["7", "9"]);
});

test("a pod that the API does not have stays closed until it has", async () => {
  const { pods, opened, open } = setUp("fail");
  const opening = open(port, new AbortController().signal);
  await new Promise(setImmediate);
  pods.upsert({ metadata: { namespace: "shop", name: "other", uid: "o", resourceVersion: "8" } } as Pod);
  assert.deepEqual(opened, []);
  pods.upsert(web("9"));
  await opening;
  assert.deepEqual(opened, ["9"]);
});

test("an API that could not be asked once is asked again", async () => {
  const answers = [Promise.reject(new KubeUnreachable("api", new Error("socket hang up"))), Promise.resolve(web("7"))];
  const { runtime, opened, open } = setUp("fail", () => answers.shift() ?? absent());
  const opening = open(port, new AbortController().signal);
  await new Promise(setImmediate);
  assert.deepEqual(opened, []);
  runtime.clock.advance(seconds(1));
  await opening;
  assert.deepEqual(opened, ["7"]);
});

test("whoever gives up waiting hears so; with admit the pod is opened all the same as soon as it is known", async () => {
  const reason = new Error("late");
  for (const [onTimeout, expected] of [
    ["fail", []],
    ["admit", ["9"]],
  ] as const) {
    const { pods, opened, open } = setUp(onTimeout);
    await assert.rejects(open(port, AbortSignal.abort(reason)), reason);
    pods.upsert(web("9"));
    await new Promise(setImmediate);
    assert.deepEqual(opened, expected);
  }
});

test("with admit nothing is opened any more once the port is gone", async () => {
  const { pods, ports, opened, open } = setUp("admit");
  await assert.rejects(open(port, AbortSignal.abort(new Error("late"))));
  await new Promise(setImmediate);
  ports.delete(port.interfaceName);
  pods.upsert(web("9"));
  await new Promise(setImmediate);
  assert.deepEqual(opened, []);
});
