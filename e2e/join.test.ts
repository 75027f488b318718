import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { cleanLab } from "../src/lab/clean-up.ts";
import { type Lab, labUp } from "../src/lab/lab.ts";
import { labPaths } from "../src/lab/paths.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { processesOf } from "../src/lab/supervisor/leftovers.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";

// `lab nodes`: two nodes under the API server of another lab, which has none of its own.

const runtime = systemRuntime({ level: "error" });
const common = { podCidrs: defaultPodCidrs, serviceCidrs: defaultServiceCidrs, uplink: false, fromSource: false };
const id = process.pid % 100_000;
const names = { cluster: `joined-${id}`, nodes: `join-${id}` };
let cluster: Lab;
let nodes: Lab;

before(async () => {
  cluster = await labUp({ runtime, spec: { ...common, name: names.cluster, nodes: 0 } });
  const joins = cluster.paths.adminKubeconfig;
  nodes = await labUp({ runtime, spec: { ...common, name: names.nodes, nodes: 2, joins, apiNetns: cluster.paths.fabricNetns } });
});

after(async () => {
  await nodes?.down();
  await cluster?.down();
  for (const name of Object.values(names)) await cleanLab({ runtime, name });
});

async function kubectl(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: cluster.paths.adminKubeconfig };
  return (await promisify(execFile)("kubectl", [...args], { env })).stdout.trim();
}

/** Asks again until it holds; the last failure otherwise. */
async function eventually<Result>(look: () => Promise<Result>): Promise<Result> {
  for (const deadline = Date.now() + 240_000; ; await wait(200)) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";

test("nodes of a joining lab register under their lab's name, and are ready", async () => {
  assert.equal(await kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"), `${names.nodes}-1 ${names.nodes}-2`);
  assert.match(nodes.status().kubernetes[0]?.program ?? "", /admin\.kubeconfig/);
});

test("they run the cluster's pods, which reach each other unless a policy is in the way", async () => {
  const on = (node: string): string => JSON.stringify({ spec: { nodeName: node } });
  await kubectl("create", "namespace", "joined");
  await kubectl(
    "run",
    "-n",
    "joined",
    "server",
    `--image=${image}`,
    `--overrides=${on(`${names.nodes}-1`)}`,
    "--",
    "netexec",
    "--http-port=80",
  );
  await kubectl("run", "-n", "joined", "client", `--image=${image}`, `--overrides=${on(`${names.nodes}-2`)}`, "--", "pause");
  await kubectl("wait", "-n", "joined", "--for=condition=Ready", "pod", "--all", "--timeout=300s");
  const address = await kubectl("get", "pod", "-n", "joined", "server", "-o", "jsonpath={.status.podIP}");
  const connect = (): Promise<string> =>
    kubectl("exec", "-n", "joined", "client", "--", "/agnhost", "connect", "--timeout=2s", `${address}:80`);
  await eventually(connect);
  await kubectl("create", "-f", deny());
  await eventually(() => assert.rejects(connect(), /TIMEOUT/));
});

/** A file with a policy that lets nobody in. */
function deny(): string {
  const policy = { podSelector: {}, policyTypes: ["Ingress"] };
  const metadata = { name: "deny", namespace: "joined" };
  const file = `${nodes.paths.root}/deny.json`;
  writeFileSync(file, JSON.stringify({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec: policy }));
  return file;
}

test("they leave nothing: no node in the cluster, no process, no file", async () => {
  await nodes.down();
  assert.equal(await kubectl("get", "nodes", "-o", "name"), "");
  assert.deepEqual(processesOf(names.nodes), []);
  assert.equal(existsSync(labPaths(names.nodes).root), false);
  assert.doesNotMatch((await promisify(execFile)("ip", ["-n", cluster.paths.fabricNetns, "link"])).stdout, /antwire/);
});
