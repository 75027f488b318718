import { createKubeClient, keyOf, loadKubeconfig, networkPolicies, pods } from "#lib/kube/index.ts";
import { demoManifests, demoPods, demoPolicies, demoPorts, expected, type Phase, podName } from "./cluster.ts";
import { createKubectl, type Kubectl } from "./kubectl.ts";
import { type WayWatch, watchWay } from "./latency.ts";
import { formatMatrix, legend, type Observation, observe, type PodAddresses } from "./matrix.ts";

export interface DemoOptions {
  readonly kubeconfig: string;
  readonly print: (text: string) => void;
}

/** What a change of policy has to do within, before the demo calls it lost. Far above the budget: the demo judges verdicts, not speed. */
const changeLimitMs = 60_000;

/** Runs the demo on a lab of two nodes. Returns how many observations agreed with what was expected, and how many did not. */
export async function runDemo({ kubeconfig, print }: DemoOptions): Promise<{ readonly passed: number; readonly failed: number }> {
  const kubectl = createKubectl(kubeconfig);
  const client = createKubeClient({ config: loadKubeconfig(kubeconfig) });
  const totals = { passed: 0, failed: 0 };
  print("three namespaces, seven pods over two nodes: kubectl apply -f -");
  await kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: demoManifests() }));
  for (const namespace of new Set(demoPods.map((pod) => pod.namespace)))
    await kubectl(["wait", "--for=condition=Ready", "pod", "--all", "-n", namespace, "--timeout=120s"]);
  const addresses = await addressesOf(client);

  const phase = async (name: Phase): Promise<void> => {
    const observations = await settled(kubectl, addresses, name);
    const wrong = observations.filter(
      (observation) => observation.open !== expected(name, observation.from, observation.to, observation.port),
    );
    totals.failed += wrong.length;
    totals.passed += observations.length - wrong.length;
    print(`\n${name}: ${observations.length - wrong.length} of ${observations.length} ways as expected`);
    print(formatMatrix(name, observations));
    for (const { from, to, port, family, open } of wrong)
      print(`  MISMATCH ${podName(from)} -> ${podName(to)}:${port} over ${family}: ${open ? "open" : "closed"}`);
  };
  const timed = async (watch: WayWatch, open: boolean, what: string, write: () => Promise<unknown>): Promise<void> => {
    await write();
    const since = Date.now();
    const took = await watch.turned({ open, since, within: changeLimitMs });
    print(
      `  ${what}: ${took === undefined ? `nothing changed within ${changeLimitMs} ms` : `first ${open ? "accepted" : "dropped"} connection ${Math.round(took)} ms after the write was acknowledged`}`,
    );
    if (took === undefined) totals.failed++;
    else totals.passed++;
  };

  print(legend);
  await phase("no policy");

  const target = addresses.get("shop/api")?.[0]?.ip ?? "";
  const watch = await watchWay(kubectl, { namespace: "intruder", pod: "api", container: `port-${demoPorts[0]}`, target: `${target}:81` });
  try {
    print("\nwriting a default deny and three policies; watching intruder/api -> shop/api:81");
    await timed(watch, false, "policies written", () => Promise.all(demoPolicies.map((policy) => client.create(networkPolicies, policy))));
    await phase("policies");
    print("\nkubectl label namespace intruder team=payments --overwrite");
    await timed(watch, true, "namespace relabelled", () => kubectl(["label", "namespace", "intruder", "team=payments", "--overwrite"]));
    await phase("one label change");
    print("\nkubectl delete networkpolicy --all -n shop, after the label is taken back");
    await timed(watch, false, "label taken back", () => kubectl(["label", "namespace", "intruder", "team=intruder", "--overwrite"]));
    await timed(watch, true, "policies deleted", () => kubectl(["delete", "networkpolicy", "--all", "-n", "shop"]));
    await phase("policies deleted");
  } finally {
    await watch.stop();
    client.close();
  }
  print(`\n${totals.passed} passed, ${totals.failed} failed`);
  return totals;
}

/** The matrix once it is as expected, or after the limit as it is then. */
async function settled(kubectl: Kubectl, addresses: PodAddresses, phase: Phase): Promise<Observation[]> {
  const deadline = performance.now() + changeLimitMs;
  for (;;) {
    const observations = await observe(kubectl, addresses);
    const agreed = observations.every(
      (observation) => observation.open === expected(phase, observation.from, observation.to, observation.port),
    );
    if (agreed || performance.now() > deadline) return observations;
  }
}

async function addressesOf(client: ReturnType<typeof createKubeClient>): Promise<PodAddresses> {
  const { items } = await client.list(pods);
  return new Map(
    items.map((pod) => [
      keyOf(pod),
      (pod.status?.podIPs ?? []).map(({ ip }) => ({ family: ip.includes(":") ? ("IPv6" as const) : ("IPv4" as const), ip })),
    ]),
  );
}
