import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { promisify } from "node:util";
import { parsePrefix } from "#lib/ip/prefix.ts";
import { namespaces } from "#lib/kube/kinds.ts";
import { silentLogger } from "#lib/runtime/logger.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { runControllers } from "./controllers/index.ts";
import { startTestCluster, type TestCluster } from "./testing/cluster.ts";
import { startTestKubelet } from "./testing/kubelet.ts";

/** The client to test with: `KUBECTL` names another than the one on the path. */
const kubectl = process.env.KUBECTL ?? "kubectl";
const skip = spawnSync(kubectl, ["version", "--client"]).status === 0 ? false : `${kubectl} is not installed`;
const runtime = { ...systemRuntime(), logger: silentLogger };
const folder = mkdtempSync(join(tmpdir(), "lab-kubectl-"));
const stop = new AbortController();
let cluster: TestCluster;

before(async () => {
  cluster = await startTestCluster(runtime);
  for (const name of ["default", "kube-node-lease"]) await cluster.client.create(namespaces, { metadata: { name } });
  await runControllers({
    runtime,
    client: cluster.client,
    podCidrs: [parsePrefix("10.10.0.0/16")],
    rootCa: "certificate",
    signal: stop.signal,
  });
  await startTestKubelet({ runtime, client: cluster.client, signal: stop.signal }).addNode("node-1");
  writeFileSync(join(folder, "config"), cluster.kubeconfig);
  writeFileSync(join(folder, "web.yaml"), manifest);
});

after(async () => {
  stop.abort();
  await cluster.close();
  rmSync(folder, { recursive: true });
});

interface Output {
  readonly code: number;
  readonly text: string;
}

async function run(...args: string[]): Promise<Output> {
  const env = { ...process.env, KUBECONFIG: join(folder, "config"), HOME: folder, KUBE_EDITOR: "sed -i s/web:3/web:4/" };
  try {
    const { stdout, stderr } = await promisify(execFile)(kubectl, args, { env, cwd: folder, timeout: 15_000 });
    return { code: 0, text: stdout + stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { readonly code?: number; readonly stdout?: string; readonly stderr?: string };
    return { code: typeof code === "number" ? code : -1, text: stdout + stderr };
  }
}

/** Runs a command that must succeed and print `expected`. */
async function expect(expected: RegExp, ...args: string[]): Promise<void> {
  const { code, text } = await run(...args);
  assert.match(text, expected);
  assert.equal(code, 0, text);
}

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {creationTimestamp: null, labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "web:1", ports: [{name: http, containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, policyTypes: [Ingress]}
`;

it("applies a manifest, and changes nothing the second time", { skip }, async () => {
  await expect(
    /deployment.apps\/web created\nservice\/web created\nnetworkpolicy.networking.k8s.io\/deny created/,
    "apply",
    "-f",
    "web.yaml",
  );
  await expect(/web unchanged\nservice\/web unchanged\nnetworkpolicy.networking.k8s.io\/deny unchanged/, "apply", "-f", "web.yaml");
  await expect(/successfully rolled out/, "rollout", "status", "deployment/web", "--timeout=10s");
  await expect(/condition met/, "wait", "deployment/web", "--for=condition=Available", "--timeout=10s");
});

it("refuses unknown fields and wrong types by name", { skip }, async () => {
  writeFileSync(join(folder, "typo.yaml"), manifest.replace("podSelector: {}", "podSelectors: {}"));
  const { code, text } = await run("apply", "-f", "typo.yaml");
  assert.notEqual(code, 0);
  assert.match(text, /podSelectors/);
});

it("explains kinds and their fields", { skip }, async () => {
  await expect(/Blocks within cidr that are left out/, "explain", "networkpolicy.spec.ingress.from.ipBlock");
  await expect(/maxUnavailable/, "explain", "deployment", "--recursive");
});

it("prints tables, wide ones too", { skip }, async () => {
  await expect(
    /NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nweb +2\/2 +2 +2 +\S+ +main +web:1 +app=web/,
    "get",
    "deploy",
    "-o",
    "wide",
  );
  await expect(/node-1 +Ready/, "get", "nodes");
  await expect(/service\/web[\s\S]*replicaset.apps\/web-/, "get", "all");
});

it("patches in every way, edits, scales", { skip }, async () => {
  await expect(/image updated/, "set", "image", "deployment/web", "main=web:2");
  await expect(/patched/, "patch", "deployment", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":3}]');
  await expect(/patched/, "patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"minReadySeconds":0}}');
  await expect(
    /patched/,
    "patch",
    "deployment",
    "web",
    "-p",
    '{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:3"}]}}}}',
  );
  await expect(/edited/, "edit", "deployment", "web");
  await expect(/scaled/, "scale", "deployment/web", "--replicas=1");
  await expect(/successfully rolled out/, "rollout", "status", "deployment/web", "--timeout=10s");
  await expect(/^1 web:4$/, "get", "deployment", "web", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}");
});

it("rolls back and restarts", { skip }, async () => {
  await expect(/REVISION[\s\S]*1 [\s\S]*2 /, "rollout", "history", "deployment/web");
  await expect(/rolled back/, "rollout", "undo", "deployment/web", "--to-revision=1");
  await expect(/^web:1$/, "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
  await expect(/restarted/, "rollout", "restart", "deployment/web");
  await expect(/successfully rolled out/, "rollout", "status", "deployment/web", "--timeout=10s");
});

it("describes, drains and deletes", { skip }, async () => {
  await expect(/MinimumReplicasAvailable[\s\S]*ScalingReplicaSet/, "describe", "deployment", "web");
  await expect(/PodCIDR: +10\.10\.0\.0\/24/, "describe", "node", "node-1");
  await expect(/node\/node-1/, "drain", "node-1", "--ignore-daemonsets", "--timeout=10s");
  await expect(/SchedulingDisabled/, "get", "nodes");
  await expect(/uncordoned/, "uncordon", "node-1");
  await expect(/deleted/, "delete", "-f", "web.yaml", "--wait");
  await expect(/No resources found/, "get", "netpol,deploy");
});
