import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { configMaps, endpointSlices, nodes, secrets } from "#lib/kube/kinds.ts";
import { cluster, create, patch, refused, row } from "../testing/objects.ts";
import { largestContentBytes } from "./config-map.ts";
import { clusterRoles, roleBindings } from "./rbac.ts";
import { persistentVolumeClaims, persistentVolumes, storageClasses } from "./storage/types.ts";

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

  it("keep what a claim asks for, but for its size, and print claims, volumes and classes", async () => {
    const resources = { requests: { storage: "1Gi" } };
    const claimed = { accessModes: ["ReadWriteOnce"], resources, storageClassName: "slow" };
    const claim = await create(persistentVolumeClaims, "data", { spec: claimed, status: { phase: "Bound" } });
    assert.deepEqual([claim.spec.volumeMode, claim.status], ["Filesystem", { phase: "Pending" }]);
    await patch(persistentVolumeClaims, "data", { spec: { resources: { requests: { storage: "2Gi" } } } });
    assert.deepEqual(await refused(patch(persistentVolumeClaims, "data", { spec: { storageClassName: "fast" } })), ["spec: Forbidden"]);
    assert.deepEqual(await refused(create(persistentVolumeClaims, "empty", { spec: { accessModes: ["Sometimes"] } })), [
      "spec.accessModes[0]: Unsupported value",
      "spec.resources[storage]: Required value",
    ]);
    const { Status, StorageClass: of } = await row("/api/v1/namespaces/default/persistentvolumeclaims/data");
    assert.deepEqual([Status, of], ["Pending", "slow"]);
    const client = cluster().client;
    const volume = { capacity: { storage: "5Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/data" } };
    await client.create(persistentVolumes, { metadata: { name: "one" }, spec: volume });
    const change = client.patch(persistentVolumes, { name: "one" }, { spec: { hostPath: { path: "/other" } } });
    assert.deepEqual(await refused(change), ["spec.persistentvolumesource: Forbidden"]);
    const nothing = client.create(persistentVolumes, { metadata: { name: "none" }, spec: { ...volume, hostPath: undefined } });
    assert.deepEqual(await refused(nothing), ["spec: Required value"]);
    const printed = await row("/api/v1/persistentvolumes/one");
    assert.deepEqual([printed.Capacity, printed["Access Modes"], printed["Reclaim Policy"]], ["5Gi", "RWO", "Retain"]);
    const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
    await client.create(storageClasses, { metadata: { name: "slow", annotations }, provisioner: "test.antrea.io/none" });
    assert.deepEqual(await refused(client.patch(storageClasses, { name: "slow" }, { provisioner: "other" })), [
      "provisioner: Invalid value",
    ]);
    const { Name, ReclaimPolicy, VolumeBindingMode } = await row("/apis/storage.k8s.io/v1/storageclasses/slow");
    assert.deepEqual([Name, ReclaimPolicy, VolumeBindingMode], ["slow (default)", "Delete", "Immediate"]);
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
