import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FullPod } from "../kinds/pod/types.ts";
import type { StatefulSet } from "../kinds/workload/types.ts";
import { planFor, revisionFor, revisionLabel } from "./stateful-set-plan.ts";

const template = { metadata: { labels: { app: "db" } }, spec: { containers: [{ name: "main", image: "db:1" }] } };
const set = (spec: Partial<StatefulSet["spec"]> = {}, status: StatefulSet["status"] = {}): StatefulSet => ({
  metadata: { name: "db", namespace: "home" },
  spec: { replicas: 3, selector: { matchLabels: { app: "db" } }, template, ...spec },
  status,
});
const present = "db-new";

interface PodState {
  readonly ready?: boolean;
  readonly phase?: string;
  readonly leaving?: boolean;
  readonly revision?: string;
}
const pod = (name: string, { ready = true, phase = "Running", leaving = false, revision = present }: PodState = {}): FullPod => ({
  metadata: { name, labels: { app: "db", [revisionLabel]: revision }, ...(leaving ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}) },
  spec: template.spec,
  status: { phase, conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: "2026-01-01T00:00:00Z" }] },
});
const now = Date.parse("2026-01-01T00:01:00Z");
const step = (given: StatefulSet, ...own: readonly FullPod[]) => {
  const { create, remove } = planFor(given, { own, updateRevision: present, now });
  return [create, remove.map(({ metadata }) => metadata.name)];
};

describe("a stateful set", () => {
  it("makes one pod after the other, each when those before are available", () => {
    assert.deepEqual(step(set()), [[0], []]);
    assert.deepEqual(step(set(), pod("db-0", { ready: false })), [[], []]);
    assert.deepEqual(step(set(), pod("db-0")), [[1], []]);
    assert.deepEqual(step(set(), pod("db-0"), pod("db-2")), [[1], []]);
    assert.deepEqual(step(set({ minReadySeconds: 90 }), pod("db-0")), [[], []]);
  });

  it("makes and takes away all at once when it is Parallel", () => {
    const parallel = set({ podManagementPolicy: "Parallel" });
    assert.deepEqual(step(parallel, pod("db-1", { ready: false })), [[0, 2], []]);
    assert.deepEqual(step(parallel, pod("db-4"), pod("db-3")), [
      [0, 1, 2],
      ["db-4", "db-3"],
    ]);
  });

  it("keeps a name until its pod is gone, and clears away one that ended", () => {
    assert.deepEqual(step(set(), pod("db-0", { leaving: true })), [[], []]);
    assert.deepEqual(step(set(), pod("db-0", { phase: "Failed" })), [[], ["db-0"]]);
  });

  it("shrinks from the highest number, one by one", () => {
    const small = set({ replicas: 1 });
    assert.deepEqual(step(small, pod("db-0"), pod("db-1"), pod("db-2")), [[], ["db-2"]]);
    assert.deepEqual(step(small, pod("db-0"), pod("db-1"), pod("db-2", { leaving: true })), [[], []]);
  });

  it("updates from the highest number down to the partition, when all are available", () => {
    const old = (name: string, state: PodState = {}): FullPod => pod(name, { ...state, revision: "db-old" });
    assert.deepEqual(step(set(), old("db-0"), old("db-1"), old("db-2")), [[], ["db-2"]]);
    assert.deepEqual(step(set(), old("db-0"), old("db-1"), pod("db-2")), [[], ["db-1"]]);
    assert.deepEqual(step(set(), old("db-0"), old("db-1", { ready: false }), pod("db-2")), [[], []]);
    const part = set({ updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 1 } } });
    assert.deepEqual(step(part, old("db-0"), pod("db-1"), pod("db-2")), [[], []]);
    assert.deepEqual(step(set({ updateStrategy: { type: "OnDelete" } }), old("db-0"), old("db-1"), old("db-2")), [[], []]);
    const { status } = planFor(set({}, { currentRevision: "db-old" }), {
      own: [old("db-0"), old("db-1"), pod("db-2")],
      updateRevision: present,
      now,
    });
    assert.deepEqual([status.currentRevision, status.currentReplicas, status.updatedReplicas], ["db-old", 2, 1]);
  });

  it("makes a pod below the partition anew from what it had, all others from the present template", () => {
    const part = (spec: Partial<StatefulSet["spec"]>, ordinal: number): string =>
      revisionFor(set(spec, { currentRevision: "db-old" }), ordinal, present);
    const partition = (size: number) => ({ updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: size } } });
    assert.deepEqual([part(partition(2), 1), part(partition(2), 2)], ["db-old", present]);
    assert.deepEqual(
      [part({ ...partition(2), ordinals: { start: 5 } }, 6), part({ ...partition(2), ordinals: { start: 5 } }, 7)],
      ["db-old", present],
    );
    assert.equal(part({ updateStrategy: { type: "OnDelete" } }, 0), present);
    assert.equal(revisionFor(set(partition(3)), 0, present), present);
  });

  it("numbers from where it is told, and passes over names that are none of its own", () => {
    assert.deepEqual(step(set({ replicas: 2, ordinals: { start: 5 } }), pod("db-5"), pod("db-06"), pod("other-6")), [[6], []]);
  });
});
