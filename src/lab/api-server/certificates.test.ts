import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parsePrefix } from "#lib/ip/prefix.ts";
import { createSigningRequest } from "#lib/apiserver/signing-request.ts";
import { type ClientConfig, createKubeClient, type KubeClient, KubeApiError, loadKubeconfig, nodes, secrets } from "#lib/kube/index.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { formatKubeconfig } from "../kubeconfig-file.ts";
import { runControllers } from "../kubernetes/controllers/index.ts";
import {
  type CertificateSigningRequest,
  apiServerClientSigner,
  certificateSigningRequests,
  kubeletClientSigner,
  kubeletServingSigner,
} from "../kubernetes/kinds/certificate/types.ts";
import { clusterRoleBindings, clusterRoles } from "../kubernetes/kinds/rbac.ts";
import { labPaths } from "../paths.ts";
import { createPki } from "../pki.ts";
import { startLabApiServer } from "./start.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

// Requests for certificates, from asking to what one may with what one got, on the API server and the controllers of a lab.

const kubectl = process.env.KUBECTL ?? "kubectl";
const skip = spawnSync(kubectl, ["version", "--client"]).status === 0 ? false : `${kubectl} is not installed`;
const runtime = systemRuntime({ level: "error" });
const folder = mkdtempSync(join(tmpdir(), "antrea-certificates-"));
const stop = new AbortController();
const clients: KubeClient[] = [];
let server: { close(): Promise<void> };
let config: ClientConfig;
let admin: KubeClient;

function clientOf(credentials: Partial<ClientConfig>): KubeClient {
  const client = createKubeClient({
    config: { server: config.server, ...(config.ca === undefined ? {} : { ca: config.ca }), ...credentials },
  });
  clients.push(client);
  return client;
}

before(async () => {
  // It stands in the kubeconfigs before anybody listens: none of those that the system gives to others.
  const port = 20_000 + (process.pid % 10_000);
  const pki = join(folder, "pki");
  const adminKubeconfig = join(folder, "admin.kubeconfig");
  const paths = { ...labPaths("certificates"), pki, adminKubeconfig, kubeconfig: (user: string) => join(pki, `${user}.kubeconfig`) };
  const podCidrs = ["10.10.0.0/16"];
  const serviceCidrs = ["10.96.0.0/16"];
  await createPki({
    runtime,
    paths,
    spec: { name: "certificates", nodes: 0, podCidrs, serviceCidrs, uplink: false, fromSource: true },
    hostPort: port,
  });
  server = await startLabApiServer({
    runtime,
    data: join(folder, "api"),
    pki,
    socket: join(folder, "api.sock"),
    listen: [`127.0.0.1:${port}`],
    serviceCidr: serviceCidrs,
  });
  config = loadKubeconfig(adminKubeconfig);
  admin = clientOf(config);
  const signing = { certificate: readFileSync(join(pki, "ca.crt"), "utf8"), key: readFileSync(join(pki, "ca.key"), "utf8") };
  await runControllers({
    runtime,
    client: admin,
    podCidrs: podCidrs.map(parsePrefix),
    rootCa: config.ca ?? "",
    signing,
    signal: stop.signal,
  });
});
after(async () => {
  stop.abort();
  for (const client of clients) client.close();
  await server?.close();
  rmSync(folder, { recursive: true });
});

/** A request as a client hands it in, and the key to it. */
function asking(name: string, subject: Parameters<typeof createSigningRequest>[0], signerName: string, usage = "client auth") {
  const { request, key } = createSigningRequest(subject);
  const spec = { request: Buffer.from(request).toString("base64"), signerName, usages: ["digital signature", usage] };
  const object: CertificateSigningRequest = { metadata: { name }, spec };
  return { object, key };
}

async function eventually<Result>(look: () => Promise<Result | undefined>): Promise<Result> {
  for (const deadline = performance.now() + amplePatience; ; ) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const statusOf = async (name: string) => (await admin.get(certificateSigningRequests, { name })).status;
const issued = async (name: string): Promise<string> =>
  Buffer.from(await eventually(async () => (await statusOf(name))?.certificate), "base64").toString();
const decide = async (client: KubeClient, name: string, type: string): Promise<unknown> => {
  const present = await admin.get(certificateSigningRequests, { name });
  const conditions = [{ type, status: "True", reason: "Test" }];
  return client.update(certificateSigningRequests, { ...present, status: { conditions } }, { subresource: "approval" });
};
async function refusal(write: Promise<unknown>): Promise<string> {
  try {
    await write;
  } catch (error) {
    assert.ok(error instanceof KubeApiError, String(error));
    return `${error.reason} ${error.message}`;
  }
  return "nothing";
}

test("a node comes with a bootstrap token, and gets certificates of its own and again", async () => {
  const data = {
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    "usage-bootstrap-authentication": "true",
    "auth-extra-groups": "system:bootstrappers:lab",
  };
  const encoded = Object.fromEntries(Object.entries(data).map(([name, value]) => [name, Buffer.from(value).toString("base64")]));
  const metadata = { name: "bootstrap-token-abcdef", namespace: "kube-system" };
  await admin.create(secrets, { metadata, type: "bootstrap.kubernetes.io/token", data: encoded });
  const bind = (role: string, group: string) =>
    admin.create(clusterRoleBindings, {
      metadata: { name: `${role.replaceAll(":", "-")}-${group.replaceAll(":", "-")}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group }],
    } as never);
  await bind("system:node-bootstrapper", "system:bootstrappers:lab");
  const newcomer = clientOf({ token: () => "abcdef.0123456789abcdef" });
  const node = { commonName: "system:node:new", organizations: ["system:nodes"] };
  const first = asking("first", node, kubeletClientSigner);
  await newcomer.create(certificateSigningRequests, first.object);
  assert.match(await refusal(newcomer.list(secrets, { namespace: "kube-system" })), /^Forbidden/);
  const { spec } = await admin.get(certificateSigningRequests, { name: "first" });
  assert.deepEqual([spec.username, spec.groups?.includes("system:bootstrappers:lab")], ["system:bootstrap:abcdef", true]);
  // Nobody said yet that such requests are granted; with the right, the next one is.
  assert.equal((await statusOf("first"))?.conditions, undefined);
  await bind("system:certificates.k8s.io:certificatesigningrequests:nodeclient", "system:bootstrappers:lab");
  await bind("system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "system:nodes");
  const second = asking("second", node, kubeletClientSigner);
  await newcomer.create(certificateSigningRequests, second.object);
  const itself = clientOf({ certificate: await issued("second"), key: second.key });
  await itself.create(nodes, { metadata: { name: "new" } });
  const again = asking("again", node, kubeletClientSigner);
  await itself.create(certificateSigningRequests, again.object);
  await issued("again");
  const other = asking("other", { ...node, commonName: "system:node:other" }, kubeletClientSigner);
  await itself.create(certificateSigningRequests, other.object);
  const serving = asking("serving", { ...node, hosts: ["new.lab", "10.0.0.1"] }, kubeletServingSigner, "server auth");
  await itself.create(certificateSigningRequests, serving.object);
  await decide(admin, "serving", "Approved");
  await issued("serving");
  assert.equal((await statusOf("other"))?.conditions, undefined, "a node gets no certificate of another");
  await admin.delete(secrets, metadata);
  assert.match(await refusal(newcomer.list(certificateSigningRequests)), /^Unauthorized/);
});

test("who may approve decides, once; who asks for too much is refused, at once or by the signer", async () => {
  const jane = { commonName: "jane", organizations: ["devs"] };
  await admin.create(certificateSigningRequests, asking("decided", jane, apiServerClientSigner).object);
  await admin.create(clusterRoles, {
    metadata: { name: "csr-writer" },
    rules: [
      {
        verbs: ["*"],
        apiGroups: ["certificates.k8s.io"],
        resources: ["", "/approval", "/status"].map((part) => `certificatesigningrequests${part}`),
      },
    ],
  } as never);
  await admin.create(clusterRoleBindings, {
    metadata: { name: "csr-writer" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "csr-writer" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
  } as never);
  const wanted = asking("jane", jane, apiServerClientSigner);
  await admin.create(certificateSigningRequests, wanted.object);
  await decide(admin, "jane", "Approved");
  const itself = clientOf({ certificate: await issued("jane"), key: wanted.key });
  // The right to write requests is not the right to decide on them.
  assert.match(await refusal(decide(itself, "decided", "Approved")), /^Forbidden .*not permitted to approve requests with signerName/);
  await decide(admin, "decided", "Denied");
  assert.match(await refusal(decide(admin, "decided", "Approved")), /may not remove a condition of type "Denied"/);
  const present = await admin.get(certificateSigningRequests, { name: "decided" });
  const forged = { ...present, status: { ...present.status, certificate: Buffer.from("x").toString("base64") } };
  assert.match(
    await refusal(itself.update(certificateSigningRequests, forged, { subresource: "status" })),
    /^Forbidden .*not permitted to sign/,
  );
  assert.equal((await admin.update(certificateSigningRequests, forged)).status?.certificate, undefined);
  const almighty = asking("almighty", { commonName: "eve", organizations: ["system:masters"] }, apiServerClientSigner);
  assert.match(await refusal(admin.create(certificateSigningRequests, almighty.object)), /system:masters group is not allowed/);
  const { spec } = asking("broken", jane, apiServerClientSigner).object;
  const broken = {
    metadata: { name: "broken" },
    spec: { ...spec, request: "aGVsbG8=", usages: ["flying"], expirationSeconds: 5, signerName: "me" },
  };
  const told = await refusal(admin.create(certificateSigningRequests, broken));
  for (const field of ["spec.request", "spec.usages[0]", "spec.signerName", "spec.expirationSeconds"])
    assert.ok(told.includes(field), told);
  await admin.create(certificateSigningRequests, asking("wrong", jane, kubeletServingSigner, "server auth").object);
  await decide(admin, "wrong", "Approved");
  const failed = await eventually(async () => (await statusOf("wrong"))?.conditions?.find(({ type }) => type === "Failed"));
  assert.match(failed.message ?? "", /subject organization is not system:nodes/);
  assert.equal((await statusOf("wrong"))?.certificate, undefined);
});

test("kubectl lists, approves and denies requests, and comes with what was issued", { skip }, async () => {
  const run = async (...args: readonly string[]): Promise<string> => {
    const env = { ...process.env, KUBECONFIG: join(folder, "admin.kubeconfig"), HOME: folder };
    return (await promisify(execFile)(kubectl, [...args], { env, cwd: folder, timeout: amplePatience })).stdout;
  };
  const { object, key } = asking("mary", { commonName: "mary", organizations: ["ops"] }, apiServerClientSigner);
  const manifest = { apiVersion: "certificates.k8s.io/v1", kind: "CertificateSigningRequest", ...object };
  writeFileSync(join(folder, "csr.json"), JSON.stringify({ ...manifest, spec: { ...object.spec, expirationSeconds: 86_400 } }));
  await run("apply", "-f", "csr.json");
  assert.match(await run("get", "csr", "mary"), /mary +\S+ +kubernetes.io\/kube-apiserver-client +kubernetes-admin +24h +Pending/);
  assert.match(await run("certificate", "approve", "mary"), /approved/);
  const certificate = await issued("mary");
  assert.match(await run("get", "csr", "mary"), /Approved,Issued/);
  assert.match(await run("describe", "csr", "mary"), /Common Name: +mary/);
  const credentials = { certificate, key };
  const { server: url, ca: authority } = config;
  const kubeconfig = formatKubeconfig({ server: url, cluster: "certificates", user: "mary", authority, credentials });
  writeFileSync(join(folder, "mary.kubeconfig"), kubeconfig);
  const refused = await run("get", "secrets", "-A", "--kubeconfig=mary.kubeconfig").then(
    String,
    (error: { stderr: string }) => error.stderr,
  );
  assert.match(refused, /User "mary" cannot list resource "secrets"/);
  writeFileSync(join(folder, "denied.json"), JSON.stringify({ ...manifest, metadata: { name: "denied" } }));
  await run("apply", "-f", "denied.json");
  assert.match(await run("certificate", "deny", "denied"), /denied/);
  assert.match(await run("get", "csr", "denied"), / Denied/);
});

test("kubectl reads how tokens are checked", { skip }, async () => {
  const env = { ...process.env, KUBECONFIG: join(folder, "admin.kubeconfig"), HOME: folder };
  const raw = async (path: string) =>
    JSON.parse((await promisify(execFile)(kubectl, ["get", "--raw", path], { env })).stdout) as Record<string, unknown>;
  const configuration = await raw("/.well-known/openid-configuration");
  assert.equal(configuration.issuer, "https://kubernetes.default.svc.cluster.local");
  assert.equal(configuration.jwks_uri, `${config.server}/openid/v1/jwks`);
  const { keys } = await raw("/openid/v1/jwks");
  assert.deepEqual(
    (keys as readonly Record<string, string>[]).map(({ kty, crv, alg, use }) => [kty, crv, alg, use]),
    [["EC", "P-256", "ES256", "sig"]],
  );
});
