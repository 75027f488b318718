import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  type ComputedRevisions,
  computedAnnotation,
  controlplaneProtobuf,
  decodeGroup,
  decodeNetworkPolicy,
} from "#core/api/controlplane/index.ts";
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
import { readBody } from "#lib/kube/transport.ts";
import { createFrameSplitter, protobufMediaType, readWatchEvent } from "#lib/kube/protobuf/index.ts";
import { silentLogger, systemClock, systemRandom } from "#lib/runtime/index.ts";
import { parseControllerConfig } from "./config.ts";
import { type RbacCluster, startRbacCluster } from "./testing/rbac-cluster.ts";
import { runController } from "./wiring.ts";

const runtime = { clock: systemClock, random: systemRandom, logger: silentLogger };
const stopping = new AbortController();
let folder: string;
let cluster: RbacCluster;
let admin: KubeClient;
let finished: Promise<void>;
let port: number;
let local: KubeClient;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "policy-controller-"));
  cluster = await startRbacCluster(runtime);
  admin = cluster.client("admin");
  await writeFile(join(folder, "kubeconfig"), cluster.kubeconfig("antrea-controller"));
  await admin.create(namespaces, { metadata: { name: "shop" } });
  const config = parseControllerConfig(
    JSON.stringify({ apiPort: 0, runDir: folder, clientConnection: { kubeconfig: join(folder, "kubeconfig") } }),
    "test.conf",
  );
  const environment = { ANTREA_CONFIG_MAP_NAME: "antrea-config" };
  port = await new Promise<number>((resolve, reject) => {
    finished = runController({ runtime, config, configFile: "test.conf", environment, signal: stopping.signal, serving: resolve });
    finished.catch(reject);
  });
  cluster.controllerAt(port);
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

const controlplane = (plural: string): Resource<KubeObject> => ({
  group: "controlplane.antrea.io",
  version: "v1beta2",
  plural,
  kind: plural,
  namespaced: false,
});

test("a policy for a pod of a node reaches that node's agent through the Kubernetes API, with progress behind it", {
  timeout: 240_000,
}, async () => {
  const agent = cluster.client("antrea-agent");
  // The Kubernetes API takes a moment to learn that the controller is there.
  await eventually(() => agent.list(controlplane("networkpolicies")));
  const { signal } = stopping;
  const watch = (plural: string): AsyncIterator<WatchEvent<KubeObject>> =>
    agent
      .watch(controlplane(plural), { fieldSelector: "nodeName=n1", parameters: { antreaProgress: "true" }, signal })
      [Symbol.asyncIterator]();
  const policies = watch("networkpolicies");
  const subjects = watch("appliedtogroups");
  assert.equal((await next(policies)).type, "BOOKMARK");
  assert.equal((await next(subjects)).type, "BOOKMARK");

  await admin.create(networkPolicies, {
    metadata: { namespace: "shop", name: "deny" },
    spec: { podSelector: {}, policyTypes: ["Ingress"] },
  });
  const pod = await admin.create(pods, {
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

test("agents that speak protobuf list, follow and report without a word of JSON", { timeout: 240_000 }, async () => {
  const agent = cluster.client("antrea-agent");
  const ask = async (method: string, path: string, body?: Uint8Array): Promise<Buffer> => {
    const { server, ca, token } = cluster.config("antrea-agent");
    const sent = request(`${server}/apis/controlplane.antrea.io/v1beta2/${path}`, {
      method,
      ...(ca && { ca }),
      headers: {
        accept: protobufMediaType,
        authorization: `Bearer ${token?.()}`,
        ...(body && { "content-type": protobufMediaType, "content-length": body.length }),
      },
    }).end(body);
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    assert.ok((answer.statusCode ?? 0) < 300, Buffer.concat(chunks).toString());
    assert.match(answer.headers["content-type"] ?? "", /^application\/vnd\.kubernetes\.protobuf/);
    return Buffer.concat(chunks);
  };
  const decoded = (bytes: Uint8Array): object => {
    const read = controlplaneProtobuf.decode(bytes);
    assert.ok("object" in read, JSON.stringify(read));
    return read.object as object;
  };
  const list = decoded(await ask("GET", "networkpolicies")) as { readonly items: readonly KubeObject[] };
  const json = await agent.list(controlplane("networkpolicies"));
  const [policy] = list.items;
  assert.deepEqual(decodeNetworkPolicy(policy), decodeNetworkPolicy(json.items[0]));

  for (const [resource, kind] of [
    ["appliedtogroups", "AppliedToGroup"],
    ["egressgroups", "EgressGroup"],
    ["supportbundlecollections", "SupportBundleCollection"],
  ] as const) {
    const stream = await ask("GET", `${resource}?watch=true&fieldSelector=nodeName%3Dn1&timeoutSeconds=1`);
    const events = createFrameSplitter(1 << 20)
      .push(stream)
      .frames.map(readWatchEvent)
      .map((event) => [event?.type, (decoded(event?.object ?? stream) as KubeObject).kind]);
    assert.deepEqual(events, [...(resource === "appliedtogroups" ? [["ADDED", kind]] : []), ["BOOKMARK", kind]]);
  }

  const uid = policy?.metadata.name ?? "";
  const kind = { apiVersion: "controlplane.antrea.io/v1beta2", kind: "NetworkPolicyStatus" };
  const status = { metadata: { name: uid }, nodes: [{ nodeName: "n1", generation: 1, realizationFailure: false }] };
  const told = decoded(await ask("POST", `networkpolicies/${uid}/status`, controlplaneProtobuf.encode(kind, status)));
  assert.deepEqual((told as { readonly nodes?: unknown }).nodes, status.nodes);
});

test("its certificate is signed by what it publishes, with the rights of the deployment", { timeout: 240_000 }, async () => {
  const ca = await eventually(async () => (await admin.get(configMaps, { namespace: "kube-system", name: "antrea-ca" })).data?.["ca.crt"]);
  for (const name of ["v1beta2.controlplane.antrea.io", "v1beta1.system.antrea.io"]) {
    const bundle = await eventually(async () => (await admin.get(apiServices, { name })).spec?.caBundle);
    assert.equal(Buffer.from(bundle, "base64").toString(), ca);
  }
});

test("asked directly, it knows the tokens of the cluster and what its roles allow", { timeout: 240_000 }, async () => {
  const ca = await eventually(async () => (await admin.get(configMaps, { namespace: "kube-system", name: "antrea-ca" })).data?.["ca.crt"]);
  const as = (token?: string): KubeClient =>
    createKubeClient({
      config: { server: `https://127.0.0.1:${port}`, ca, tlsServerName: "antrea.kube-system.svc", ...(token && { token: () => token }) },
    });
  const policies = controlplane("networkpolicies");
  assert.ok((await as("antrea-agent").list(policies)).items);
  await assert.rejects(as("stranger").list(policies), /User "stranger" cannot list resource "networkpolicies"/);
  await assert.rejects(as("made-up").list(policies), /Unauthorized/);
  await assert.rejects(as().list(policies), /Unauthorized/);
  assert.match(JSON.stringify(await as().json({ method: "GET", path: "/version" })), /gitVersion":"v\d/);
});

test("antctl's paths answer in this Pod", { timeout: 240_000 }, async () => {
  const get = (path: string) => local.json({ method: "GET", path });
  const gates = (await get("/featuregates")) as readonly { readonly component: string; readonly name: string }[];
  for (const component of ["agent", "controller"])
    assert.ok(gates.some((gate) => gate.component === component && gate.name === "AntreaPolicy"));
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
  const pod = { namespace: "shop", name: "web" };
  const body = JSON.stringify({ request: { source: { pod }, destination: { pod } } });
  const path = "/apis/controlplane.antrea.io/v1beta2/networkpolicyevaluation";
  const evaluated = (await local.json({ method: "POST", path, body })) as {
    readonly response?: { readonly networkPolicy: { readonly name: string } };
  };
  assert.equal(evaluated.response?.networkPolicy.name, "deny");
  await assert.rejects(get("/loglevel?level=much"), /not a whole number/);
  await assert.rejects(get("/debug/pprof/profile?seconds=0"), /seconds "0" is not a whole number from 1 to 300/);
  const metrics = await readBody("controller", await local.raw({ method: "GET", path: "/metrics" }));
  assert.match(metrics, /^antrea_controller_network_policy_processed [1-9]/m);
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
