import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { cleanLab } from "../src/lab/clean-up.ts";
import { certificateSigningRequests } from "../src/lab/kubernetes/kinds/certificate/types.ts";
import { type Lab, labUp } from "../src/lab/lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { createKubeClient, type KubeClient, leases, loadKubeconfig } from "../src/lib/kube/index.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";

// Certificates of a joined node that run out while one looks, under a real control plane whose signer gives them six minutes. Takes ten to twelve minutes, so by hand,
// after `npm run build`: KUBE_ASSETS=FOLDER node --test e2e/renewal.test.ts, with kube-apiserver, kube-controller-manager and kube-scheduler in FOLDER.

const assets = process.env.KUBE_ASSETS;
const skip = assets === undefined ? "KUBE_ASSETS names no folder of real Kubernetes binaries" : false;
/** Signers date back by five minutes: of a life of eleven minutes, 70 to 90 % end 2.7 to 4.9 minutes after it was made, and the kubelet looks once a minute. */
const life = "6m";
const runtime = systemRuntime({ level: "error" });
const common = { podCidrs: defaultPodCidrs, serviceCidrs: defaultServiceCidrs, uplink: false, fromSource: false };
const names = { cluster: "renewal-cluster", nodes: "renewal" };
const node = "renewal-1";
const run = promisify(execFile);
const stop = new AbortController();
let cluster: Lab;
let nodes: Lab;
let client: KubeClient;
let folder: string;
let following: Promise<void>;
/** Who asked for certificates, in order. */
const askers: string[] = [];

before(async () => {
  if (assets === undefined) return;
  folder = mkdtempSync(join(tmpdir(), "renewal-assets-"));
  for (const name of ["kube-apiserver", "kube-scheduler"]) symlinkSync(resolve(assets, name), join(folder, name));
  const manager = `#!/bin/sh\nexec '${resolve(assets, "kube-controller-manager")}' "$@" --cluster-signing-duration=${life}\n`;
  writeFileSync(join(folder, "kube-controller-manager"), manager, { mode: 0o755 });
  cluster = await labUp({ runtime, spec: { ...common, name: names.cluster, nodes: 0, kubeAssets: folder } });
  client = createKubeClient({ config: loadKubeconfig(cluster.paths.adminKubeconfig) });
  following = follow();
  // Looked at when the test has ended.
  following.catch(() => {});
  const joins = cluster.paths.adminKubeconfig;
  nodes = await labUp({ runtime, spec: { ...common, name: names.nodes, nodes: 1, joins, apiNetns: cluster.paths.fabricNetns } });
});

after(async () => {
  stop.abort();
  client?.close();
  await nodes?.down();
  await cluster?.down();
  if (folder !== undefined) rmSync(folder, { recursive: true });
  for (const name of Object.values(names)) await cleanLab({ runtime, name });
});

async function follow(): Promise<void> {
  // From a version: an etcd older than 3.5 has no watch that begins with what is there.
  const { metadata } = await client.list(certificateSigningRequests);
  let resourceVersion = metadata?.resourceVersion ?? "";
  while (!stop.signal.aborted) {
    for await (const { type, object } of client.watch(certificateSigningRequests, { resourceVersion, signal: stop.signal })) {
      if (type === "ERROR") throw new Error(JSON.stringify(object));
      resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
      if (type === "ADDED") askers.push(object.spec.username ?? "");
    }
  }
}

const kubectl = async (...args: readonly string[]): Promise<string> =>
  (await run("kubectl", [...args], { env: { ...process.env, KUBECONFIG: cluster.paths.adminKubeconfig }, timeout: 120_000 })).stdout.trim();

/** The certificate that the kubelet shows whoever connects. */
async function shown(): Promise<X509Certificate> {
  const code = `const s = require("node:tls").connect({ host: process.argv[1], port: 10250, rejectUnauthorized: false }, () => {
    process.stdout.write(s.getPeerX509Certificate().toString()); s.destroy(); });`;
  const address = await kubectl("get", "node", node, "-o", 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}');
  const netns = cluster.paths.fabricNetns;
  const [host = ""] = address.split(" ");
  return new X509Certificate((await run("ip", ["netns", "exec", netns, process.execPath, "-e", code, host], { timeout: 120_000 })).stdout);
}

test("a node's certificates are renewed by itself, and nothing fails while they run out", { skip }, async (t) => {
  const onNode = JSON.stringify({ spec: { nodeName: node } });
  await kubectl("run", "asked", "--image=registry.k8s.io/e2e-test-images/agnhost:2.53", `--overrides=${onNode}`, "--", "pause");
  await kubectl("wait", "--for=condition=Ready", "pod/asked", "--timeout=120s");
  const clientFile = nodes.paths.renewed("kubelet-node-1");
  const [firstShown, firstClient] = [await shown(), new X509Certificate(readFileSync(clientFile))];
  const firstEnd = Math.max(Date.parse(firstShown.validTo), Date.parse(firstClient.validTo));
  const serials = new Set([firstShown.serialNumber]);
  const failures: string[] = [];
  let asks = 0;
  // Until the first pair has run out and two more have been shown, or three lives of one have passed.
  const deadline = Date.now() + 3 * 6 * 60_000;
  while ((Date.now() < firstEnd + 30_000 || serials.size < 3) && Date.now() < deadline) {
    asks++;
    await kubectl("exec", "asked", "--", "/agnhost", "--help").catch((error: unknown) =>
      failures.push(`${new Date().toISOString()} ${error}`),
    );
    const certificate = await shown();
    serials.add(certificate.serialNumber);
    if (Date.parse(certificate.validTo) < Date.now())
      failures.push(`${new Date().toISOString()} the kubelet shows what ended at ${certificate.validTo}`);
    if (Date.parse(new X509Certificate(readFileSync(clientFile)).validTo) < Date.now()) failures.push("the node's own certificate ran out");
    await wait(5_000);
  }
  t.diagnostic(`${asks} times asked, ${serials.size} certificates shown, asked for by ${askers.join(", ")}`);
  assert.deepEqual(failures, []);
  await Promise.race([following, wait(0)]);
  assert.ok(serials.size >= 3, `${serials.size} certificates were shown`);
  // The first two by whoever brought the node, all others by the node.
  assert.deepEqual(new Set(askers.slice(2)), new Set([`system:node:${node}`]));
  const { spec } = await client.get(leases, { namespace: "kube-node-lease", name: node });
  assert.ok(
    Date.parse(spec?.renewTime ?? "") > firstEnd,
    `the node's lease was last renewed at ${spec?.renewTime}, its first certificate ended at ${new Date(firstEnd).toISOString()}`,
  );
  assert.equal(await kubectl("get", "node", node, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'), "True");
  assert.equal(await kubectl("get", "csr", "-o", "name"), "");
});
