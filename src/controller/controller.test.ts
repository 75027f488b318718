import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ComputedRevisions, computedAnnotation, decodeGroup, decodeNetworkPolicy } from "#core/api/controlplane/index.ts";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import {
  apiServices,
  configMaps,
  createKubeClient,
  type KubeClient,
  type KubeObject,
  namespaces,
  networkPolicies,
  pods,
  type Resource,
  type WatchEvent,
} from "#lib/kube/index.ts";
import { silentLogger, systemClock, systemRandom } from "#lib/runtime/index.ts";
import { startTestCluster, type TestCluster } from "../lab/kubernetes/test-cluster.ts";
import { parseControllerConfig } from "./config.ts";
import { runController } from "./wiring.ts";

const runtime = { clock: systemClock, random: systemRandom, logger: silentLogger };
const stopping = new AbortController();
const proxyAuthority = createAuthority(runtime, { commonName: "front-proxy-ca" });
let folder: string;
let cluster: TestCluster;
let finished: Promise<void>;
let port: number;
let local: KubeClient;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "policy-controller-"));
  cluster = await startTestCluster(runtime);
  await writeFile(join(folder, "kubeconfig"), cluster.kubeconfig);
  for (const name of ["kube-system", "shop"]) await cluster.client.create(namespaces, { metadata: { name } });
  await cluster.client.create(configMaps, {
    metadata: { namespace: "kube-system", name: "extension-apiserver-authentication" },
    data: {
      "requestheader-client-ca-file": proxyAuthority.certificate,
      "requestheader-allowed-names": '["front-proxy"]',
      "requestheader-username-headers": '["X-Remote-User"]',
      "requestheader-group-headers": '["X-Remote-Group"]',
    },
  });
  await cluster.client.create(apiServices, {
    metadata: { name: "v1beta2.controlplane.antrea.io", labels: { app: "antrea", "served-by": "antrea-controller" } },
    spec: {
      group: "controlplane.antrea.io",
      version: "v1beta2",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { namespace: "kube-system", name: "antrea" },
    },
  });
  const config = parseControllerConfig(
    JSON.stringify({ apiPort: 0, runDir: folder, clientConnection: { kubeconfig: join(folder, "kubeconfig") } }),
    "test.conf",
  );
  port = await new Promise<number>((resolve, reject) => {
    finished = runController({ runtime, config, configFile: "test.conf", environment: {}, signal: stopping.signal, serving: resolve });
    finished.catch(reject);
  });
  const token = await readFile(join(folder, "apiserver", "loopback-client-token"), "utf8");
  local = createKubeClient({ config: { server: `https://127.0.0.1:${port}`, insecureSkipTlsVerify: true, token: () => token } });
});

after(async () => {
  stopping.abort();
  await finished;
  local.close();
  await cluster.close();
  await rm(folder, { recursive: true });
});

const controlplane = <Kind extends KubeObject>(plural: string, kind: string): Resource<Kind> => ({
  group: "controlplane.antrea.io",
  version: "v1beta2",
  plural,
  kind,
  namespaced: false,
});

test("a policy for a pod of a node reaches that node's agent, with progress behind it", { timeout: 10_000 }, async () => {
  const { signal } = stopping;
  const watch = (plural: string): AsyncIterator<WatchEvent<KubeObject>> =>
    local
      .watch(controlplane<KubeObject>(plural, "x"), { fieldSelector: "nodeName=n1", parameters: { antreaProgress: "true" }, signal })
      [Symbol.asyncIterator]();
  const policies = watch("networkpolicies");
  const subjects = watch("appliedtogroups");
  assert.equal((await next(policies)).type, "BOOKMARK");
  assert.equal((await next(subjects)).type, "BOOKMARK");

  await cluster.client.create(networkPolicies, {
    metadata: { namespace: "shop", name: "deny" },
    spec: { podSelector: {}, policyTypes: ["Ingress"] },
  });
  const pod = await cluster.client.create(pods, {
    metadata: { namespace: "shop", name: "web" },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] },
  });
  const added = await next(policies);
  const policy = decodeNetworkPolicy(added.object);
  assert.ok(added.type === "ADDED" && policy.ok);
  assert.equal(policy.value.sourceRef.name, "deny");
  const group = decodeGroup((await next(subjects)).object);
  assert.ok(group.ok);
  assert.deepEqual(
    group.value.members.map((member) => member.pod),
    [{ namespace: "shop", name: "web" }],
  );
  for (const stream of [policies, subjects]) {
    const mark = await next(stream);
    assert.equal(mark.type, "BOOKMARK");
    const annotation = (mark.object.metadata as KubeObject["metadata"]).annotations?.[computedAnnotation] ?? "{}";
    const computed = JSON.parse(annotation) as ComputedRevisions;
    assert.ok(Number(computed.pods) >= Number(pod.metadata.resourceVersion));
  }
  await policies.return?.();
  await subjects.return?.();
});

test("its certificate is signed by what it publishes", { timeout: 10_000 }, async () => {
  const ca = await eventually(
    async () => (await cluster.client.get(configMaps, { namespace: "kube-system", name: "antrea-ca" })).data?.["ca.crt"],
  );
  const service = await eventually(async () => {
    const { spec } = await cluster.client.get(apiServices, { name: "v1beta2.controlplane.antrea.io" });
    return spec?.caBundle;
  });
  assert.equal(Buffer.from(service, "base64").toString(), ca);
  const anybody = createKubeClient({ config: { server: `https://127.0.0.1:${port}`, ca, tlsServerName: "antrea.kube-system.svc" } });
  const version = (await anybody.json({ method: "GET", path: "/version" })) as { readonly gitVersion: string };
  assert.match(version.gitVersion, /^v\d/);
  await assert.rejects(anybody.list(controlplane("networkpolicies", "NetworkPolicy")), /Unauthorized|access cannot be checked/);
  anybody.close();
});

test("the Kubernetes API asks on behalf of others by its front-proxy certificate", { timeout: 10_000 }, async () => {
  const { certificate, key } = issueCertificate(runtime, proxyAuthority, { commonName: "front-proxy", usages: ["client"] });
  const proxy = createKubeClient({ config: { server: `https://127.0.0.1:${port}`, insecureSkipTlsVerify: true, certificate, key } });
  const headers = { "x-remote-user": "admin", "x-remote-group": "system:masters" };
  const list = (await eventually(() =>
    proxy.json({ method: "GET", path: "/apis/controlplane.antrea.io/v1beta2/networkpolicies", headers }),
  )) as { readonly kind: string };
  assert.equal(list.kind, "NetworkPolicyList");
  proxy.close();
});

test("antctl's paths answer in this Pod", { timeout: 10_000 }, async () => {
  const get = (path: string) => local.json({ method: "GET", path });
  const gates = (await get("/featuregates")) as readonly { readonly name: string }[];
  assert.ok(gates.some(({ name }) => name === "AntreaPolicy"));
  const info = (await get("/apis/system.antrea.io/v1beta1/controllerinfos/antrea-controller")) as {
    readonly networkPolicyControllerInfo: { readonly networkPolicyNum: number };
  };
  assert.equal(info.networkPolicyControllerInfo.networkPolicyNum, 1);
  const endpoint = (await get("/endpoint?namespace=shop&pod=web")) as {
    readonly endpoints: readonly { readonly policies: readonly unknown[] }[];
  };
  assert.equal(endpoint.endpoints[0]?.policies.length, 1);
  await assert.rejects(get("/endpoint?namespace=shop&pod=none"), /could not find any endpoints/);
  await assert.rejects(get("/endpoint"), /pod must be provided/);
  await assert.rejects(get("/loglevel?level=much"), /not a whole number/);
});

async function next<Event>(stream: AsyncIterator<Event>): Promise<Event> {
  const { value, done } = await stream.next();
  assert.ok(!done, "the watch ended");
  return value;
}

/** Asks until there is an answer; the test's own timeout ends it. */
async function eventually<Value>(ask: () => Promise<Value | undefined>): Promise<Value> {
  for (;;) {
    const value = await ask().catch(() => undefined);
    if (value !== undefined) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
