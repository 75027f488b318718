import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "./kinds.ts";
import { leanPod } from "./lean.ts";

test("keeps what a network looks at and nothing else", () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web",
      namespace: "shop",
      uid: "u",
      resourceVersion: "7",
      labels: { app: "web" },
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
      managedFields: [{ manager: "kubectl", operation: "Update", apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1: {} }],
    },
    spec: {
      nodeName: "n1",
      serviceAccountName: "default",
      containers: [
        { name: "c", image: "i", env: [{ name: "A", value: "b" }], ports: [{ name: "http", containerPort: 80 }] },
        { name: "d" },
      ],
    },
    status: {
      phase: "Running",
      podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }],
      conditions: [
        { type: "Initialized", status: "True" },
        { type: "Ready", status: "True" },
      ],
      containerStatuses: [{ name: "c", image: "i", imageID: "x" }],
    },
  } as Pod;
  assert.deepEqual(leanPod(pod), {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "shop", uid: "u", resourceVersion: "7", labels: { app: "web" } },
    spec: {
      nodeName: "n1",
      serviceAccountName: "default",
      containers: [{ name: "c", ports: [{ name: "http", containerPort: 80 }] }, { name: "d" }],
    },
    status: {
      phase: "Running",
      podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  });
  assert.deepEqual(leanPod({ metadata: { name: "p" }, spec: { hostNetwork: true, containers: [] } }), {
    metadata: { name: "p" },
    spec: { hostNetwork: true, containers: [] },
  });
});
