import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { configMaps, endpointSlices, nodes, secrets } from "#lib/kube/kinds.ts";
import { cluster, create, patch, refused, row } from "../testing/objects.ts";
import { largestContentBytes } from "./config-map.ts";
import { clusterRoles, roleBindings } from "./rbac.ts";

describe("other kinds", () => {
  it("encode a secret's text and keep its type", async () => {
    const secret = await create(secrets, "password", { stringData: { user: "admin" } });
    assert.deepEqual([secret.type, secret.data, "stringData" in secret], ["Opaque", { user: "YWRtaW4=" }, false]);
    assert.deepEqual(await refused(patch(secrets, "password", { type: "other" })), ["type: Invalid value"]);
    assert.deepEqual(await refused(create(secrets, "broken", { data: { a: "!" } })), ["data[a]: Invalid value"]);
  });

  it("freeze immutable maps", async () => {
    await create(configMaps, "frozen", { data: { a: "1" }, immutable: true });
    assert.deepEqual(await refused(patch(configMaps, "frozen", { data: { a: "2" } })), ["data: Forbidden"]);
  });

  it("hold a mebibyte and no more", async () => {
    const text = "x".repeat(largestContentBytes - 3);
    await create(configMaps, "full", { data: { a: text }, binaryData: { b: "AAAA" } });
    assert.deepEqual(await refused(create(configMaps, "over", { data: { a: text }, binaryData: { b: "AAAA", c: "AA==" } })), [
      "[]: Too long",
    ]);
    assert.deepEqual(await refused(patch(configMaps, "full", { data: { b: "é" } })), ["[]: Too long"]);
    assert.deepEqual(await refused(create(secrets, "over", { stringData: { a: text, b: "four" } })), ["data: Too long"]);
  });

  it("keep a role's reference and demand complete rules", async () => {
    const roleRef = { kind: "ClusterRole", name: "view" };
    const binding = await create(roleBindings, "viewers", { roleRef, subjects: [{ kind: "User", name: "jane" }] });
    assert.equal(binding.subjects?.[0]?.apiGroup, "rbac.authorization.k8s.io");
    assert.deepEqual(await refused(patch(roleBindings, "viewers", { roleRef: { name: "edit" } })), ["roleRef: Invalid value"]);
    assert.deepEqual(await refused(create(clusterRoles, "system:odd", { rules: [{ verbs: [], apiGroups: [""] }] })), [
      "rules[0].verbs: Required value",
      "rules[0].resources: Required value",
    ]);
  });

  it("give a port of a slice an empty name where none is written", async () => {
    const slice = await create(endpointSlices, "web-1", { addressType: "IPv4", endpoints: [], ports: [{ port: 80 }] });
    assert.deepEqual(slice.ports, [{ name: "", port: 80, protocol: "TCP" }]);
  });

  it("keep a node's address block and print its roles", async () => {
    await cluster().client.create(nodes, { metadata: { name: "node-1", labels: { "node-role.kubernetes.io/worker": "" } } });
    await cluster().client.patch(nodes, { name: "node-1" }, { spec: { podCIDRs: ["10.10.0.0/24"], unschedulable: true } });
    assert.deepEqual(await refused(cluster().client.patch(nodes, { name: "node-1" }, { spec: { podCIDRs: ["10.10.1.0/24"] } })), [
      "spec.podCIDRs: Invalid value",
    ]);
    const { Status, Roles } = await row("/api/v1/nodes/node-1");
    assert.deepEqual([Status, Roles], ["Unknown,SchedulingDisabled", "worker"]);
  });
});
