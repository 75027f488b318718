import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type CniRequest, decodeReply, encodeMessage, requestForm } from "../src/lib/cni/message.ts";
import { createNetlink, type Netlink } from "../src/lib/netlink/index.ts";
import { silentLogger } from "../src/lib/runtime/index.ts";
import type { Lab } from "../src/lab/lab.ts";
import { type Bench, percentile } from "./bench.ts";
import { pidOf, withLab } from "./lab.ts";

const tries = 30;
const rounds = 5;
const atOnce = 20;
const node = "node-1";
const namespace = "default";

/** One request of the container runtime, for a pod that the API has. */
interface Attempt {
  readonly podName: string;
  readonly containerId: string;
  readonly netns: string;
}

/** How long a pod waits for its network: by the whole executable, and by the agent alone; with a policy for every pod in force when ADD returns. */
export const bench: Bench = {
  goals: { exec_p50_ms: 25, exec_max_ms: 200, agent_p50_ms: 8 },
  run: ({ print }) =>
    withLab({ nodes: 1 }, async (lab, kubectl) => {
      const netlink = createNetlink({ runtime: { logger: silentLogger } });
      // The kubelet would connect these pods itself.
      const kubelet = pidOf(lab, `${node}/kubelet`);
      process.kill(kubelet, "SIGSTOP");
      try {
        const names = Array.from({ length: atOnce }, (_, index) => `cni-add-${index}`);
        await kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: [...names.map(boundPod), policy] }));
        const cni = calls(lab, netlink);
        for (const name of names) await cni.whole(await cni.prepare(name)).finally(() => cni.clear());
        const alone = { exec: [] as number[], agent: [] as number[] };
        for (let count = 0; count < tries; count++) {
          alone.exec.push(await timed(cni.whole, await cni.prepare(names[0] ?? "")));
          alone.agent.push(await timed(cni.agent, await cni.prepare(names[1] ?? "")));
          await cni.clear();
        }
        printParts(lab, print);
        const slowest: number[] = [];
        const together: number[] = [];
        for (let round = 0; round < rounds; round++) {
          const attempts = await Promise.all(names.map(cni.prepare));
          const took = await Promise.all(attempts.map((attempt) => timed(cni.whole, attempt)));
          together.push(...took);
          slowest.push(Math.max(...took));
          await cni.clear();
        }
        print(`${atOnce} at once, slowest of each round: ${slowest.map((ms) => ms.toFixed(0)).join(", ")} ms`);
        return {
          exec_p50_ms: percentile(alone.exec, 0.5),
          exec_p90_ms: percentile(alone.exec, 0.9),
          exec_max_ms: percentile(slowest, 0.5),
          exec_at_once_p50_ms: percentile(together, 0.5),
          agent_p50_ms: percentile(alone.agent, 0.5),
          agent_p90_ms: percentile(alone.agent, 0.9),
        };
      } finally {
        process.kill(kubelet, "SIGCONT");
        await netlink.close();
      }
    }),
};

const labels = { app: "cni-add" };

function boundPod(name: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [{ name: "main", image: "registry.k8s.io/pause:3.10" }] },
  };
}

const policy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "cni-add", namespace },
  spec: {
    podSelector: { matchLabels: labels },
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ podSelector: { matchLabels: labels } }], ports: [{ port: 80 }] }],
  },
};

/** Where the agent's time went, by what it logged of each pod: the median of each part. Parts overlap (docs/design/cni.md). */
function printParts(lab: Lab, print: (line: string) => void): void {
  const lines = readFileSync(join(lab.paths.logs, `${node}-antrea-agent.log`), "utf8").split("\n");
  const connected = lines.filter((line) => line.includes('"pod connected"')).slice(-2 * tries);
  const values = new Map<string, number[]>();
  for (const line of connected)
    for (const [name, value] of Object.entries(JSON.parse(line) as Record<string, unknown>))
      if (name.endsWith("Ms") && typeof value === "number") values.set(name, [...(values.get(name) ?? []), value]);
  print(`one at a time, by part: ${[...values].map(([name, all]) => `${name} ${percentile(all, 0.5).toFixed(1)}`).join(", ")}`);
}

async function timed(call: (attempt: Attempt) => Promise<void>, attempt: Attempt): Promise<number> {
  const started = performance.now();
  await call(attempt);
  return performance.now() - started;
}

function calls(lab: Lab, netlink: Netlink) {
  const paths = lab.paths.node(node);
  const executable = join(paths.cniBin, "antrea");
  const socket = join(paths.agent, "cni.sock");
  const config = JSON.stringify({ cniVersion: "1.0.0", name: "antrea", type: "antrea", ipam: { type: "host-local" }, agentSocket: socket });
  let made: Attempt[] = [];
  const args = ({ podName }: Attempt): string => `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${podName}`;
  const request = (command: string, attempt: Attempt): CniRequest => ({
    form: requestForm,
    command,
    containerId: attempt.containerId,
    netns: attempt.netns,
    ifname: "eth0",
    args: args(attempt),
    path: paths.cniBin,
    config,
  });
  const ask = (command: string, attempt: Attempt): Promise<void> =>
    new Promise((resolve, reject) => {
      const connection = connect(socket);
      let answer = "";
      connection.on("error", reject);
      connection.on("data", (chunk) => {
        answer += chunk.toString();
      });
      connection.on("end", () => {
        const reply = decodeReply(answer);
        if (reply.ok && "result" in reply.value) resolve();
        else reject(new Error(`${command} ${attempt.podName}: ${answer}`));
      });
      connection.write(encodeMessage(request(command, attempt)));
    });
  return {
    /** A namespace as the runtime makes it before it calls the plugin. */
    async prepare(podName: string): Promise<Attempt> {
      const containerId = randomBytes(32).toString("hex");
      const attempt = { podName, containerId, netns: `/run/netns/cni-add-${process.pid}-${containerId.slice(0, 12)}` };
      await (await netlink.create({ path: attempt.netns })).close();
      made.push(attempt);
      return attempt;
    },
    /** The executable, from its start to its end. */
    whole: (attempt: Attempt): Promise<void> =>
      new Promise((resolve, reject) => {
        const env = {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: attempt.containerId,
          CNI_NETNS: attempt.netns,
          CNI_IFNAME: "eth0",
          CNI_ARGS: args(attempt),
          CNI_PATH: paths.cniBin,
        };
        const child = spawn(executable, [], { env, stdio: ["pipe", "pipe", "inherit"] });
        let output = "";
        child.stdout.on("data", (chunk) => {
          output += String(chunk);
        });
        child.on("error", reject);
        child.on("close", (status) => (status === 0 ? resolve() : reject(new Error(`ADD ${attempt.podName}: ${output}`))));
        child.stdin.on("error", () => {});
        child.stdin.end(config);
      }),
    /** The agent's part: from the request to its reply. */
    agent: (attempt: Attempt): Promise<void> => ask("ADD", attempt),
    /** Disconnects what was connected and removes its namespaces. */
    async clear(): Promise<void> {
      for (const attempt of made) {
        await ask("DEL", attempt);
        await netlink.remove(attempt.netns);
      }
      made = [];
    },
  };
}
