import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readConfig } from "./config.ts";
import { parseResolvConf } from "./dns.ts";
import { environmentOf, expand } from "./environment.ts";
import { fieldValue } from "./field-ref.ts";
import { standInOf } from "./images.ts";
import type { KubeletContainer, KubeletPod } from "./pod.ts";
import { containerResources, qosClass } from "./resources.ts";
import { parsePath } from "./streaming.ts";
import { inside } from "./volumes.ts";

const flags = {
  ...{ hostnameOverride: "node-1", nodeIp: "192.0.2.1,2001:db8::1", kubeconfig: "/k", containerRuntimeEndpoint: "unix:///c.sock" },
  ...{ rootDir: "/r", podLogsDir: "/l", cgroupRoot: "/g", port: "10250", healthzPort: "0", tlsCertFile: "/c", tlsPrivateKeyFile: "/p" },
  ...{ clientCaFile: "/ca", clusterDns: "", clusterDomain: "cluster.local", maxPods: "110", logLevel: "info" },
};
const config = readConfig(flags);
const pod: KubeletPod = {
  metadata: { name: "web", namespace: "shop", uid: "u", labels: { b: "2", a: "1" } },
  spec: { containers: [] },
};
const fields = { config, pod, podIps: ["10.0.0.2", "fd00::2"] };

test("a wrong flag is named with its value", () => {
  assert.throws(() => readConfig({ ...flags, port: "x" }), /--port: "x" is not a whole number/);
  assert.throws(() => readConfig({ ...flags, nodeIp: "1.2.3" }), /--node-ip: "1.2.3" is not an IP address/);
  assert.throws(() => readConfig({ ...flags, nodeIp: "192.0.2.1,192.0.2.2" }), /at most one address of each family/);
  assert.throws(() => readConfig({ ...flags, kubeconfig: "rel" }), /--kubeconfig: "rel" is not an absolute path/);
  assert.throws(() => readConfig({ ...flags, rootDir: undefined }), /--root-dir: is missing/);
  assert.throws(() => readConfig({ ...flags, logLevel: "loud" }), /--log-level: "loud" is none of/);
});

test("variables refer to those before them; an unknown name stays, two dollars are one", () => {
  const known = new Map([["A", "1"]]);
  assert.equal(expand("$(A) $(B) $$(A) $$ $A $(", known), "1 $(B) $(A) $ $A $(");
  fc.assert(fc.property(fc.string(), (text) => assert.equal(expand(text.replaceAll("$", ""), known), text.replaceAll("$", ""))));
});

test("the environment comes from literals, fields, ConfigMaps and Secrets; what is missing is named", async () => {
  const container: KubeletContainer = {
    name: "main",
    envFrom: [{ prefix: "P_", configMapRef: { name: "all" } }],
    env: [
      { name: "IPS", valueFrom: { fieldRef: { fieldPath: "status.podIPs" } } },
      { name: "BOTH", value: "$(IPS)/$(P_key)" },
      { name: "MAYBE", valueFrom: { secretKeyRef: { name: "none", key: "k", optional: true } } },
    ],
  };
  const data = {
    configMap: async (name: string) => (name === "all" ? new Map([["key", Buffer.from("value")]]) : undefined),
    secret: async () => undefined,
  };
  assert.deepEqual(Object.fromEntries(await environmentOf(container, fields, data)), {
    P_key: "value",
    IPS: "10.0.0.2,fd00::2",
    BOTH: "10.0.0.2,fd00::2/value",
  });
  const lacking = (env: NonNullable<KubeletContainer["env"]>) => environmentOf({ name: "main", env }, fields, data);
  await assert.rejects(lacking([{ name: "A", valueFrom: { secretKeyRef: { name: "none", key: "k" } } }]), /secret "none" not found/);
  await assert.rejects(lacking([{ name: "A", valueFrom: { configMapKeyRef: { name: "all", key: "x" } } }]), /key x in ConfigMap all/);
  await assert.rejects(lacking([{ name: "A", valueFrom: { resourceFieldRef: { resource: "cpus" } } }]), /resource cpus is not there/);
});

test("fields of the downward API", () => {
  assert.equal(fieldValue(fields, "metadata.labels['a']"), "1");
  assert.equal(fieldValue(fields, "metadata.labels"), 'a="1"\nb="2"');
  assert.equal(fieldValue(fields, "status.hostIPs"), "192.0.2.1,2001:db8::1");
  assert.equal(fieldValue(fields, "spec.unknown"), undefined);
  assert.equal(fieldValue(fields, "constructor"), undefined);
});

test("shares and classes", () => {
  const guaranteed: KubeletContainer = { name: "main", resources: { limits: { cpu: "500m", memory: "64Mi" } } };
  const of = (container: KubeletContainer): KubeletPod => ({ ...pod, spec: { containers: [container] } });
  assert.deepEqual(containerResources(of(guaranteed), guaranteed, 2 ** 30), {
    cpuShares: 512n,
    cpuPeriod: 100_000n,
    cpuQuota: 50_000n,
    memoryLimitInBytes: 64n * 1024n * 1024n,
    oomScoreAdj: -997n,
  });
  assert.equal(qosClass(of({ name: "main" })), "BestEffort");
  assert.equal(qosClass(of({ name: "main", resources: { requests: { cpu: "1" } } })), "Burstable");
});

test("any tag or digest of a stand-in's repository is the stand-in", () => {
  for (const reference of ["r:5000/a/b", "r:5000/a/b:1", "r:5000/a/b@sha256:00", "r:5000/a/b:1@sha256:00"])
    assert.equal(standInOf(reference), "r:5000/a/b:lab-stand-in");
});

test("resolv.conf: the last search line counts, unknown lines do not", () => {
  const text = "# c\nnameserver 192.0.2.53 ; x\nsearch a b\nsearch c\noptions ndots:2 edns0\nwhat ever\n";
  assert.deepEqual(parseResolvConf(text), { servers: ["192.0.2.53"], searches: ["c"], options: ["ndots:2", "edns0"] });
});

test("paths of requests, and paths in volumes", () => {
  assert.deepEqual(parsePath("/exec/shop/web/main"), { verb: "exec", namespace: "shop", pod: "web", container: "main" });
  assert.deepEqual(parsePath("/exec/shop/web/u/main"), { verb: "exec", namespace: "shop", pod: "web", container: "main", uid: "u" });
  assert.deepEqual(parsePath("/portForward/shop/web"), { verb: "portForward", namespace: "shop", pod: "web" });
  assert.throws(() => parsePath("/exec/shop"), /expected \/exec\/NAMESPACE\/POD/);
  assert.equal(inside("/v", "a/b"), "/v/a/b");
  for (const path of ["../x", "a/../../x", "/etc"]) assert.throws(() => inside("/v", path), /leaves its volume/);
});
