import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdmission, refusedStatus } from "./admission.ts";
import type { KubeletPod } from "./pod.ts";

interface Port {
  readonly hostPort?: number;
  readonly protocol?: string;
  readonly hostIP?: string;
}

const pod = (uid: string, port: Port, status?: object): KubeletPod =>
  ({
    metadata: { name: uid, namespace: "shop", uid },
    spec: { containers: [{ name: "main", image: "busybox", ports: [{ containerPort: 80, ...port }] }] },
    ...(status === undefined ? {} : { status }),
  }) as KubeletPod;

test("a pod whose port of the node another has is refused until that one is gone or has ended; the other stays", () => {
  const pods = new Map<string, KubeletPod>();
  const { refusal } = createAdmission(() => pods.values());
  const ask = (one: KubeletPod) => {
    pods.set(one.metadata.uid ?? "", one);
    return refusal(one)?.reason;
  };
  assert.equal(ask(pod("first", { hostPort: 80 })), undefined);
  assert.equal(ask(pod("second", { hostPort: 80 })), "NodePorts");
  assert.equal(ask(pod("first", { hostPort: 80 })), undefined);
  assert.equal(ask(pod("other protocol", { hostPort: 80, protocol: "UDP" })), undefined);
  assert.equal(ask(pod("no port of the node", {})), undefined);
  pods.set("first", pod("first", { hostPort: 80 }, { phase: "Succeeded", startTime: "2026-01-01T00:00:00Z" }));
  assert.equal(ask(pod("third", { hostPort: 80 })), undefined);
  pods.delete("third");
  assert.equal(ask(pod("fourth", { hostPort: 80 })), undefined);
});

test("ports on different addresses do not collide, ports on all addresses do, in both families", () => {
  const held: readonly [string, string, boolean][] = [
    ["10.0.0.1", "10.0.0.2", false],
    ["10.0.0.1", "10.0.0.1", true],
    ["0.0.0.0", "10.0.0.1", true],
    ["fd00::1", "", true],
    ["fd00::1", "fd00::2", false],
    ["::", "fd00::2", true],
  ];
  for (const [hostIP, wanted, collides] of held) {
    const there = pod("there", { hostPort: 80, hostIP }, { phase: "Running", startTime: "2026-01-01T00:00:00Z" });
    const { refusal } = createAdmission(() => [there]);
    assert.equal(refusal(pod("new", { hostPort: 80, hostIP: wanted })) !== undefined, collides, `${hostIP} ${wanted}`);
  }
});

test("a kubelet that starts anew keeps what it has taken, and tells of a refused pod that it failed", () => {
  const running = ["a", "b"].map((uid) => pod(uid, { hostPort: 80 }, { phase: "Running", startTime: "2026-01-01T00:00:00Z" }));
  const { refusal } = createAdmission(() => running);
  for (const one of running) assert.equal(refusal(one), undefined);
  const refused = refusal(pod("c", { hostPort: 80 }));
  assert.ok(refused);
  const { phase, reason, message } = refusedStatus(pod("c", {}), refused, "2026-01-01T00:00:00Z");
  assert.deepEqual([phase, reason, message], ["Failed", "NodePorts", "Pod was rejected: Predicate NodePorts failed"]);
});
