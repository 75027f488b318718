import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { upstreamDefinitions } from "#core/api/crd/index.ts";
import { type KubeClient, type KubeObject, namespaces, type Resource } from "#lib/kube/index.ts";
import { silentLogger, systemClock, systemRandom } from "#lib/runtime/index.ts";
import { parseControllerConfig } from "./config.ts";
import { serveController } from "./testing/serve-controller.ts";
import { type RbacCluster, startRbacCluster } from "./testing/rbac-cluster.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

// Every example of docs/policies.md is applied as a user applies it: by kubectl, which knows the fields, and past the controller's webhooks.

const runtime = { clock: systemClock, random: systemRandom, logger: silentLogger };
const page = new URL("../../docs/policies.md", import.meta.url);
let folder: string;
let cluster: RbacCluster;
let admin: KubeClient;
let stop: () => Promise<void>;

const definitions: Resource<KubeObject> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};
const computed: Resource<KubeObject> = {
  group: "controlplane.antrea.io",
  version: "v1beta2",
  plural: "networkpolicies",
  kind: "NetworkPolicy",
  namespaced: false,
};
const controllerInfos: Resource<KubeObject & { readonly controllerConditions?: readonly Condition[] }> = {
  group: "crd.antrea.io",
  version: "v1beta1",
  plural: "antreacontrollerinfos",
  kind: "AntreaControllerInfo",
  namespaced: false,
};
interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "antrea-docs-"));
  cluster = await startRbacCluster(runtime);
  admin = cluster.client("admin");
  await writeFile(join(folder, "kubeconfig"), cluster.kubeconfig("admin"));
  await writeFile(join(folder, "controller"), cluster.kubeconfig("antrea-controller"));
  for (const name of ["shop", "demo", "payments"]) await admin.create(namespaces, { metadata: { name } });
  const config = parseControllerConfig(
    JSON.stringify({
      apiPort: 0,
      runDir: folder,
      clientConnection: { kubeconfig: join(folder, "controller") },
      featureGates: { ClusterNetworkPolicy: true, AdminNetworkPolicy: true },
    }),
    "docs.conf",
  );
  ({ stop } = await serveController({ runtime, cluster, config }));
  // After the controller, which waits for them.
  for (const definition of upstreamDefinitions) await admin.create(definitions, definition);
});

after(async () => {
  await stop?.();
  await cluster?.close();
  await rm(folder, { recursive: true });
});

/** What the page lets its readers apply: its blocks of YAML, and what its commands hand to `kubectl apply`. */
function examplesOf(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, language, content = ""]) => ({ language, content }));
  return blocks.flatMap(({ language, content }) =>
    language === "yaml" ? [content] : [...content.matchAll(/<<'YAML'\n(.*?)^YAML$/gms)].map(([, given = ""]) => given),
  );
}

/** What it lets them annotate, as its commands stand there. */
const annotationsOf = (text: string): readonly string[][] =>
  [...text.matchAll(/^kubectl (annotate [^#\n]*)/gm)].map(([, words = ""]) => words.trim().split(/ +/));

const kubectl = (words: readonly string[], input = ""): Promise<string> =>
  new Promise((resolve, reject) => {
    const args = ["--kubeconfig", join(folder, "kubeconfig"), "--cache-dir", join(folder, "cache"), ...words];
    const child = execFile("kubectl", args, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(stderr.trim())),
    );
    child.stdin?.end(input);
  });
const apply = (yaml: string): Promise<string> => kubectl(["apply", "-f", "-"], yaml);

test("every example of docs/policies.md is taken and computed, and nothing of it is unusable", { timeout: 240_000 }, async () => {
  const text = await readFile(page, "utf8");
  const examples = examplesOf(text);
  assert.ok(examples.length > 0);
  for (const example of examples)
    await eventually(() => apply(example), { patient: /the server could not find|no matches for kind|tier .* does not exist/ });
  const annotations = annotationsOf(text);
  assert.ok(annotations.length > 0);
  // What is to be there for a command is there by an example, and what it takes away too.
  for (const words of annotations) assert.match(await kubectl(words), / annotated/);
  const objects = examples.flatMap((example) => parseAllDocuments(example).map((document) => document.toJS() as KubeObject));
  const policies = objects.filter(({ kind }) => kind?.endsWith("Policy"));
  await eventually(async () => assert.equal((await admin.list(computed)).items.length, policies.length));
  await eventually(async () => {
    const { items } = await admin.list(controllerInfos);
    const usable = items[0]?.controllerConditions?.find(({ type }) => type === "PoliciesUsable");
    assert.equal(usable?.status, "True", JSON.stringify(usable));
  });
});

test("an example with a field that does not exist would be told", { timeout: 240_000 }, async () => {
  const wrong = {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: "wrong" },
    spec: { tier: "Admin", priority: 1, subject: { namespaces: {} }, ingres: [] },
  };
  await assert.rejects(apply(JSON.stringify(wrong)), /ingres/);
});

test("priorities end at 1 and 10000, as finely as a number tells", { timeout: 240_000 }, async () => {
  const policy = (priority: number) => ({
    apiVersion: "crd.antrea.io/v1beta1",
    kind: "ClusterNetworkPolicy",
    metadata: { name: "edge" },
    spec: { priority, appliedTo: [{ podSelector: {} }], ingress: [{ action: "Allow" }] },
  });
  for (const priority of [0, 1 - Number.EPSILON, 10_000.000_000_000_002, 1e308])
    await assert.rejects(apply(JSON.stringify(policy(priority))), /spec\.priority/, String(priority));
  for (const priority of [1, 1 + Number.EPSILON, 9_999.999_999_999_998, 10_000]) {
    await apply(JSON.stringify(policy(priority)));
    const kept = await kubectl(["get", "clusternetworkpolicies.crd.antrea.io", "edge", "-o", "jsonpath={.spec.priority}"]);
    assert.equal(Number(kept), priority);
  }
});

/** Until it succeeds; its failure when it never does, or at once when it is none that waiting mends. */
async function eventually(attempt: () => Promise<unknown>, { patient = /./ }: { readonly patient?: RegExp } = {}): Promise<void> {
  const end = Date.now() + amplePatience;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > end || !patient.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
