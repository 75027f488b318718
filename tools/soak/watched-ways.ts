import type { Kubectl } from "../../src/lab/demo/kubectl.ts";

/** One answer of a probe: when it was begun (wall time, ms) and what came of it. */
export interface Sample {
  readonly at: number;
  readonly verdict: string;
}

/**
 * A way that is tried from inside the lab for the whole soak, by a container that needs no API to go on: twenty times a second by a connection of its own, or, held, five times
 * over one connection, which is lost or is not.
 */
export interface WatchedWay {
  readonly name: string;
  readonly open: boolean;
  readonly samples: () => Promise<readonly Sample[]>;
}

const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
const namespace = "soak";

const pod = (name: string, node: string, containers: readonly object[]): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, labels: { app: name } },
  spec: { nodeSelector: { "kubernetes.io/hostname": node }, terminationGracePeriodSeconds: 0, containers },
});
const server = {
  name: "main",
  image,
  args: ["netexec", "--http-port=80"],
  readinessProbe: { httpGet: { path: "/healthz", port: 80 }, periodSeconds: 1 },
};

/**
 * On node-2 a pod that everybody may reach and one that nobody may, by a policy that stands from before its first packet to the end; on node-1 a pod
 * that tries both, over both families, and holds a connection of each family to the open one.
 */
export async function startWatchedWays(kubectl: Kubectl): Promise<readonly WatchedWay[]> {
  const apply = (items: readonly object[]): Promise<string> =>
    kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  const guard = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "closed", namespace },
    spec: { podSelector: { matchLabels: { app: "closed" } }, policyTypes: ["Ingress"] },
  };
  const servers = [pod("open", "node-2", [server]), pod("closed", "node-2", [{ ...server, readinessProbe: undefined }])];
  await apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, guard]);
  await apply(servers);
  await untilReady(kubectl);
  const tries = ["probe-loop", "--interval=50ms", "--timeout=500ms"];
  const ways = await Promise.all(
    [
      { kind: "open", target: "open", command: tries },
      { kind: "held", target: "open", command: ["hold", "--interval=200ms"] },
      { kind: "closed", target: "closed", command: tries },
    ].map(async ({ kind, target, command }) => {
      const addresses = await kubectl(["get", "pod", "-n", namespace, target, "-o", "jsonpath={.status.podIPs[*].ip}"]);
      return addresses
        .trim()
        .split(" ")
        .map((ip) => ({
          name: `${kind}-${ip.includes(":") ? "v6" : "v4"}`,
          open: target === "open",
          args: [...command, ip.includes(":") ? `[${ip}]:80` : `${ip}:80`],
        }));
    }),
  );
  const probers = ways.flat().map(({ name, args }) => ({ name, image, args }));
  await apply([pod("watch", "node-1", probers)]);
  await untilReady(kubectl);
  return ways.flat().map(({ name, open }) => ({
    name,
    open,
    async samples() {
      const log = await kubectl(["logs", "-n", namespace, "watch", "-c", name]);
      return log
        .trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([at = "", verdict = ""]) => ({ at: Number(at), verdict }));
    },
  }));
}

const untilReady = (kubectl: Kubectl): Promise<string> =>
  kubectl(["wait", "--for=condition=Ready", "pod", "--all", "-n", namespace, "--timeout=120s"]);
