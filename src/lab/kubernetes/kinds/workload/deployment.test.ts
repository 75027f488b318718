import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, patch, refused } from "../../testing/objects.ts";
import { deployments } from "./types.ts";

const container = { name: "main", image: "web:1" };

describe("deployments", () => {
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container] } };
  const selector = { matchLabels: { app: "web" } };

  it("get defaults, in their template too", async () => {
    const { spec } = await create(deployments, "web", { spec: { selector, template } });
    assert.deepEqual([spec.replicas, spec.revisionHistoryLimit, spec.progressDeadlineSeconds], [1, 10, 600]);
    assert.deepEqual(spec.strategy, { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } });
    assert.equal(spec.template.spec.restartPolicy, "Always");
    assert.equal(spec.template.spec.serviceAccountName, undefined);
  });

  it("keep their selector, which selects their template", async () => {
    await create(deployments, "kept", { spec: { selector, template } });
    assert.deepEqual(await refused(create(deployments, "other", { spec: { selector: { matchLabels: { app: "x" } }, template } })), [
      "spec.template.metadata.labels: Invalid value",
    ]);
    const change = { spec: { selector: { matchLabels: { app: "x" } }, template: { metadata: { labels: { app: "x" } } } } };
    assert.deepEqual(await refused(patch(deployments, "kept", change)), ["spec.selector: Invalid value"]);
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: "0%" } };
    assert.deepEqual(await refused(patch(deployments, "kept", { spec: { strategy } })), [
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value",
    ]);
  });
});
