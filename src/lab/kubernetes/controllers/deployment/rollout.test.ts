import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Deployment, ReplicaSet } from "../../kinds/workload/types.ts";
import { annotationsFor, findNewSet, templateHash } from "./revision.ts";
import { limitsOf, pausedStep, resizedStep, rollingStep, sizeAnnotations } from "./rollout.ts";

const template = (image: string) => ({ metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "main", image }] } });

const deployment = (
  replicas: number,
  rollingUpdate?: { readonly maxSurge?: number | string; readonly maxUnavailable?: number | string },
): Deployment => ({
  metadata: { name: "web", annotations: { note: "x", "kubectl.kubernetes.io/last-applied-configuration": "{}" } },
  spec: {
    replicas,
    selector: {},
    template: template("web:2"),
    strategy: { type: "RollingUpdate", ...(rollingUpdate === undefined ? {} : { rollingUpdate }) },
  },
});

const set = (
  name: string,
  replicas: number,
  availableReplicas: number,
  image = "web:1",
  annotations: Record<string, string> = {},
): ReplicaSet => ({
  metadata: { name, creationTimestamp: "2026-01-01T00:00:00Z", annotations },
  spec: { replicas, selector: {}, template: template(image) },
  status: { replicas, availableReplicas },
});

describe("limits", () => {
  it("round percentages up for the surge and down for what may be missing", () => {
    assert.deepEqual(limitsOf(deployment(5)), { maxSurge: 2, maxUnavailable: 1 });
    assert.deepEqual(limitsOf(deployment(1)), { maxSurge: 1, maxUnavailable: 0 });
    assert.deepEqual(limitsOf(deployment(3, { maxSurge: 0, maxUnavailable: "10%" })), { maxSurge: 0, maxUnavailable: 1 });
  });
});

describe("a rolling update", () => {
  it("ends with every pod new, whatever became ready in between, and never breaks its limits", () => {
    const amount = fc.oneof(fc.nat(5), fc.constantFrom("0%", "25%", "100%"));
    const scenario = fc.record({
      replicas: fc.integer({ min: 1, max: 12 }),
      maxSurge: amount,
      maxUnavailable: amount,
      seed: fc.infiniteStream(fc.boolean()),
    });
    fc.assert(
      fc.property(scenario, ({ replicas, maxSurge, maxUnavailable, seed }) => {
        const wanted = deployment(replicas, { maxSurge, maxUnavailable });
        const limits = limitsOf(wanted);
        let old = set("old", replicas, replicas);
        let fresh = set("new", 0, 0, "web:2");
        for (let round = 0; round < 200; round++) {
          for (const step of rollingStep(wanted, { newSet: fresh, oldSets: [old] })) {
            const { replicas: size } = step;
            if (step.set === fresh) fresh = set("new", size, Math.min(size, fresh.status?.availableReplicas ?? 0), "web:2");
            else old = set("old", size, Math.min(size, old.status?.availableReplicas ?? 0));
          }
          const total = (old.spec.replicas ?? 0) + (fresh.spec.replicas ?? 0);
          const available = (old.status?.availableReplicas ?? 0) + (fresh.status?.availableReplicas ?? 0);
          assert.ok(total <= replicas + limits.maxSurge, `${total} pods`);
          assert.ok(available >= replicas - limits.maxUnavailable, `${available} available`);
          if (old.spec.replicas === 0 && fresh.status?.availableReplicas === replicas) return;
          if (seed.next().value || round > 150) fresh = set("new", fresh.spec.replicas ?? 0, fresh.spec.replicas ?? 0, "web:2");
        }
        assert.fail("did not end");
      }),
    );
  });

  it("takes away first what does not serve", () => {
    const steps = rollingStep(deployment(4, { maxSurge: 0, maxUnavailable: 2 }), {
      newSet: set("new", 0, 0, "web:2"),
      oldSets: [set("a", 2, 2), set("b", 2, 0)],
    });
    assert.deepEqual(
      steps.map(({ set: { metadata }, replicas }) => [metadata.name, replicas]),
      [["b", 0]],
    );
  });
});

it("a paused deployment follows its size and rests half way", () => {
  assert.deepEqual(
    pausedStep(deployment(5), [set("a", 3, 3)]).map(({ replicas }) => replicas),
    [5],
  );
  assert.deepEqual(pausedStep(deployment(4), [set("a", 3, 3), set("b", 2, 2)]), []);
});

describe("revisions", () => {
  it("find a template whatever its hash label, and name it the same each time", () => {
    const labelled = { ...template("web:2"), metadata: { labels: { app: "web", "pod-template-hash": "x" } } };
    const found = { ...set("new", 1, 1), spec: { replicas: 1, selector: {}, template: labelled } };
    assert.equal(findNewSet(deployment(1), [set("old", 1, 1), found]), found);
    assert.equal(templateHash(labelled), templateHash(template("web:2")));
    assert.notEqual(templateHash(labelled), templateHash(labelled, 1));
  });

  it("count on, and keep the numbers that a template had", () => {
    const revision = (number: number) => ({ "deployment.kubernetes.io/revision": String(number) });
    const back = annotationsFor(deployment(1), set("a", 0, 0, "web:2", revision(1)), [set("b", 1, 1, "web:1", revision(2))]);
    assert.deepEqual(back, { note: "x", "deployment.kubernetes.io/revision": "3", "deployment.kubernetes.io/revision-history": "1" });
  });

  it("count beyond what a double holds", () => {
    const old = set("old", 1, 1, "web:1", { "deployment.kubernetes.io/revision": "3546343826724305832" });
    assert.equal(annotationsFor(deployment(1), undefined, [old])["deployment.kubernetes.io/revision"], "3546343826724305833");
    const last = set("old", 1, 1, "web:1", { "deployment.kubernetes.io/revision": "9223372036854775807" });
    assert.equal(annotationsFor(deployment(1), undefined, [last])["deployment.kubernetes.io/revision"], "1");
  });
});

describe("a change of size amid a rollout", () => {
  const sized = (size: number, sets: readonly (readonly [string, number])[]) =>
    sets.map(([name, replicas]) => set(name, replicas, replicas, "web:1", sizeAnnotations(deployment(size))));
  const sizes = (wanted: Deployment, sets: readonly ReplicaSet[]) =>
    resizedStep(wanted, sets)?.map((step) => [step.set.metadata.name, step.replicas]);

  it("is shared out, so that the rollout stands where it stood", () => {
    const sets = sized(10, [
      ["old", 8],
      ["new", 5],
    ]);
    assert.deepEqual(
      sizes(
        deployment(30, { maxSurge: 3, maxUnavailable: 2 }),
        sized(10, [
          ["old", 8],
          ["new", 5],
        ]),
      ),
      [
        ["old", 20],
        ["new", 13],
      ],
    );
    assert.equal(sizes(deployment(10), sets), undefined, "no change");
    assert.equal(sizes(deployment(30), sized(10, [["new", 10]])), undefined, "nothing to share between");
    assert.deepEqual(sizes(deployment(0), sets), [
      ["old", 0],
      ["new", 0],
    ]);
  });

  it("never allows more pods than the new size does", () => {
    const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), counts, (before, after, replicas) => {
        const sets = sized(
          before,
          replicas.map((count, index) => [`set-${index}`, count]),
        );
        const wanted = deployment(after);
        const total = (resizedStep(wanted, sets) ?? []).reduce((sum, step) => sum + step.replicas, 0);
        const allowed = after === 0 ? 0 : after + limitsOf(wanted).maxSurge;
        if (before !== after) assert.equal(total, allowed);
      }),
    );
  });
});
