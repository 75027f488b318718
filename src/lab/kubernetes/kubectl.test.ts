import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { promisify } from "node:util";
import { parsePrefix } from "#lib/ip/prefix.ts";
import { namespaces } from "#lib/kube/kinds.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { silentLogger } from "#lib/runtime/logger.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { runControllers } from "./controllers/index.ts";
import { startTestCluster, type TestCluster } from "./testing/cluster.ts";
import { startTestKubelet } from "./testing/kubelet.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

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
    // Longer than all of this file takes on a busy machine: the node of this test gives no sign of life.
    nodeGracePeriod: seconds(600),
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
    const { stdout, stderr } = await promisify(execFile)(kubectl, args, { env, cwd: folder, timeout: amplePatience });
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

/** A set of pods of its own: selector and template. */
const podsOf = (name: string): string => `
  selector: {matchLabels: {app: ${name}}}
  template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: main, image: "sets:1"}]}}`;
const sets = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: eyes}
spec: ${podsOf("eyes")}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store${podsOf("store")}
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

it("tells the history of daemon sets and stateful sets, and goes back in it", { skip }, async () => {
  writeFileSync(join(folder, "sets.yaml"), sets);
  await expect(/daemonset.apps\/eyes created\nstatefulset.apps\/store created/, "apply", "-f", "sets.yaml");
  const both = ["daemonset/eyes", "statefulset/store"];
  const rolledOut = async (): Promise<void> => {
    for (const name of both)
      await expect(/rolled out|roll out complete|rolling update complete/, "rollout", "status", name, "--timeout=10s");
  };
  await rolledOut();
  await expect(/eyes annotated\n.*store annotated/, "annotate", ...both, "kubernetes.io/change-cause=second");
  await expect(/eyes image updated\n.*store image updated/, "set", "image", ...both, "main=sets:2");
  await rolledOut();
  await expect(/eyes[\s\S]*1 +<none>\n2 +second\n[\s\S]*store[\s\S]*1 +<none>\n2 +second\n/, "rollout", "history", ...both);
  await expect(/Image:\s+sets:1[\s\S]*Image:\s+sets:1/, "rollout", "history", ...both, "--revision=1");
  await expect(/eyes rolled back\n.*store rolled back/, "rollout", "undo", ...both);
  await expect(/^sets:1 sets:1$/, "get", ...both, "-o", "jsonpath={.items[*].spec.template.spec.containers[0].image}");
  await rolledOut();
  await expect(/daemonset.apps\/eyes +3 [\s\S]*statefulset.apps\/store +3 /, "get", "controllerrevisions", "--sort-by=.revision");
  assert.notEqual((await run("rollout", "undo", "daemonset/eyes", "--to-revision=9")).code, 0);
  await expect(/deleted/, "delete", "-f", "sets.yaml", "--wait");
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
