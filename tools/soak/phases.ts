import { expected, demoManifests, demoPods, demoPolicies, type Phase, podName } from "../../src/lab/demo/cluster.ts";
import type { Kubectl } from "../../src/lab/demo/kubectl.ts";
import { observe, type PodAddresses } from "../../src/lab/demo/matrix.ts";
import { adminClient } from "../../src/lab/admin-client.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { isAlreadyExists, isNotFound, namespaces, networkPolicies, pods } from "../../src/lib/kube/index.ts";
import { retryUntilDone } from "../../src/lib/runtime/backoff.ts";
import { seconds } from "../../src/lib/runtime/duration.ts";
import { systemRandom } from "../../src/lib/runtime/random.ts";
import { systemClock } from "../../src/lib/runtime/clock.ts";

/** Time for every verdict to be as expected once nothing is killed any more. */
const settleLimit = seconds(60);
/** Time for one write to reach an API that comes and goes. */
const writeLimit = seconds(60);

/** The demo's pods, and the phases of its policies one after the other, again and again. */
export async function startPhases({ lab, kubectl }: { readonly lab: Lab; readonly kubectl: Kubectl }): Promise<{
  /** The next change of policies, written through whatever fails meanwhile. */
  advance(): Promise<Phase>;
  /** Waits until every pod reaches what it should and nothing else. Resolves with what is wrong after the limit. */
  problems(): Promise<readonly string[]>;
}> {
  await kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: demoManifests() }));
  for (const namespace of new Set(demoPods.map((pod) => pod.namespace)))
    await kubectl(["wait", "--for=condition=Ready", "pod", "--all", "-n", namespace, "--timeout=120s"]);
  const client = adminClient(lab.paths);
  const addresses: PodAddresses = new Map(
    (await client.list(pods)).items.map(({ metadata, status }) => [
      `${metadata.namespace}/${metadata.name}`,
      (status?.podIPs ?? []).map(({ ip }) => ({ family: ip.includes(":") ? ("IPv6" as const) : ("IPv4" as const), ip })),
    ]),
  );
  client.close();

  const write = (task: (client: ReturnType<typeof adminClient>) => Promise<unknown>): Promise<void> =>
    retryUntilDone(
      { clock: systemClock, random: systemRandom },
      async () => {
        const client = adminClient(lab.paths);
        try {
          await task(client);
        } finally {
          client.close();
        }
      },
      { limit: seconds(1), signal: AbortSignal.timeout(writeLimit) },
    );
  const team = (name: string): Promise<void> =>
    write((client) => client.patch(namespaces, { name: "intruder" }, { metadata: { labels: { team: name } } }));
  const steps: readonly { readonly phase: Phase; readonly write: () => Promise<unknown> }[] = [
    {
      phase: "policies",
      async write() {
        for (const policy of demoPolicies)
          await write((client) =>
            client.create(networkPolicies, policy).catch((error: unknown) => {
              if (!isAlreadyExists(error)) throw error;
            }),
          );
      },
    },
    { phase: "one label change", write: () => team("payments") },
    { phase: "policies", write: () => team("intruder") },
    {
      phase: "policies deleted",
      async write() {
        for (const { metadata } of demoPolicies)
          await write((client) =>
            client.delete(networkPolicies, { namespace: "shop", name: metadata.name ?? "" }).catch((error: unknown) => {
              if (!isNotFound(error)) throw error;
            }),
          );
      },
    },
  ];
  let taken = 0;
  let phase: Phase = "no policy";

  const wrongNow = async (): Promise<readonly string[]> =>
    (await observe(kubectl, addresses))
      .filter(({ from, to, port, open }) => open !== expected(phase, from, to, port))
      .map(({ from, to, port, family, open }) => `${podName(from)} -> ${podName(to)}:${port} over ${family}: ${open ? "open" : "closed"}`);
  return {
    async advance() {
      const step = steps[taken++ % steps.length];
      if (step === undefined) return phase;
      await step.write();
      phase = step.phase;
      return phase;
    },
    async problems() {
      const deadline = Date.now() + settleLimit;
      for (;;) {
        const wrong = await wrongNow().catch((error: unknown) => [`not observed: ${error instanceof Error ? error.message : error}`]);
        if (wrong.length === 0 || Date.now() > deadline) return wrong.map((line) => `${phase}: ${line}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
  };
}
