import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { stringify } from "yaml";
import type { Family } from "#lib/ip/index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import type { ServedObjects } from "./fake-kubernetes.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { createPrivateNode, type PrivateNode } from "./private-node.ts";
import { built, bundle, bundleFlags, testProgram, testScript } from "./test-program.ts";

const run = promisify(execFile);
const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A private node with an agent process on it, and a Kubernetes API that has nothing but two Nodes. */
export interface PrivateAgent {
  readonly node: PrivateNode;
  readonly runDir: string;
  /** Lines that the agent logged, parsed. */
  readonly logged: Record<string, unknown>[];
  /** `preload` is a module of this folder that the agent's process loads first; `program` the executable script of this start. */
  start(config?: object, options?: { readonly preload?: string; readonly program?: string }): void;
  /** Sends the signal and resolves with the exit code. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
  /** Resolves with the exit code of an agent that ends by itself. */
  ended(): Promise<number | null>;
  /** Makes a network namespace and has antrea-cni connect it; gives what the plugin printed. */
  addPod(name: string): Promise<{ readonly namespace: string; readonly interfaceName: string; readonly addresses: readonly string[] }>;
  /** The same for a pod whose wire, addresses and routes another plugin has made: this one plays that plugin as `ptp` is, in both families. */
  chainPod(name: string, addresses: { readonly 4: string; readonly 6: string }): Promise<{ readonly namespace: string }>;
  deletePod(name: string): Promise<void>;
  /** Its namespace goes, and with it the wire, as when nobody is left to call the plugin. */
  losePod(name: string): Promise<void>;
  /** Makes a Node of the API this one, whether it was there or not. */
  putNode(row: NodeRow): Promise<void>;
  deleteNode(name: string): Promise<void>;
  /** Process of the agent. */
  readonly pid: number | undefined;
  /** What the agent's API answers. */
  ask(path: string): Promise<string>;
  /** Resolves when `condition` holds; asks again and again until then. */
  eventually(condition: () => Promise<boolean> | boolean): Promise<void>;
  remove(): Promise<void>;
}

/** A Node as the API has it. */
export const nodeObject = (name: string, address: string, ...podCIDRs: readonly string[]) => ({
  metadata: { name },
  spec: { podCIDRs },
  status: { addresses: [{ type: "InternalIP", address }] },
});
type NodeRow = ReturnType<typeof nodeObject>;

const podBlocks = {
  "node-a": { 4: "10.10.0.0/24", 6: "fd00:10::/64" },
  "node-b": { 4: "10.10.1.0/24", 6: "fd00:11::/64" },
} as const;
/** On the cable between the nodes: IPv4 where the cluster has it. */
const transport = {
  4: { "node-a": "192.0.2.1", "node-b": "192.0.2.2", bits: 24 },
  6: { "node-a": "2001:db8::1", "node-b": "2001:db8::2", bits: 64 },
} as const;
const nodesOf = (families: readonly Family[]): NodeRow[] =>
  (["node-a", "node-b"] as const).map((name) =>
    nodeObject(name, transport[families.includes(4) ? 4 : 6][name], ...families.map((family) => podBlocks[name][family])),
  );

/** A question to the agent is four processes: between two passes so many times what one took, for the agent to get on with what it is asked for. */
const askingShare = 2;

interface CniReply {
  readonly code?: number;
  readonly interfaces: readonly { readonly name: string }[];
  readonly ips?: readonly { readonly address: string }[];
}
/** What pods of the other plugin believe to be their router: the node's end of each wire. */
const ptpRouters = { 4: "10.77.0.1", 6: "fd00:77::1" } as const;
/** Of the plugin's errors (CNI 1.0 §"Error"). */
const tryAgainLater = 11;

export interface PrivateAgentOptions {
  /** What the controller says, by resource. Default no policies. */
  readonly controlplane?: ServedObjects["controlplane"];
  /** Services and their slices. Default none. */
  readonly services?: Pick<ServedObjects, "services" | "endpointslices">;
  /** The agent's executable script. Default its source, in `npm test` its bundle. */
  readonly program?: string;
  /** Nodes beside `node-a` and `node-b`. */
  readonly moreNodes?: readonly NodeRow[];
  /** The node that the agent is on. Default `node-a`. */
  readonly nodeName?: "node-a" | "node-b";
  /** Of nodes and pods. Default both; with both the nodes' own addresses are IPv4. */
  readonly families?: readonly Family[];
  /** Where the cable of its transport interface ends. Default nowhere. */
  readonly connectedTo?: PrivateAgent;
}

export async function createPrivateAgent(name: string, options: PrivateAgentOptions = {}): Promise<PrivateAgent> {
  const {
    controlplane = {},
    services = {},
    program = built ? bundle("antrea-agent.js") : source("../main.ts"),
    moreNodes = [],
    nodeName = "node-a",
    connectedTo,
    families = [4, 6],
  } = options;
  const nodes = nodesOf(families);
  const node = await createPrivateNode(name);
  await node.exec("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "fabric");
  for (const link of ["eth0", "fabric"]) await node.exec("ip", "link", "set", link, "up");
  const own = transport[families.includes(4) ? 4 : 6];
  await node.exec("ip", "address", "add", `${own[nodeName]}/${own.bits}`, "dev", "eth0", ...(own.bits === 64 ? ["nodad"] : []));
  if (connectedTo !== undefined) {
    const other = connectedTo.node;
    await node.exec("ip", "link", "set", "fabric", "netns", other.namespace, "name", "far");
    for (const args of [
      ["add", "wire", "type", "bridge"],
      ["set", "wire", "up"],
      ["set", "far", "up", "master", "wire"],
      ["set", "fabric", "master", "wire"],
    ])
      await other.exec("ip", "link", ...args);
  }
  const inNamespace = (...args: string[]): ChildProcess =>
    spawn("ip", ["netns", "exec", node.namespace, process.execPath, ...args], {
      stdio: ["pipe", "ignore", "pipe"],
      env: { ...process.env, NODE_NAME: nodeName },
    });
  const kubernetes = inNamespace(...testProgram("fake-kubernetes.ts"), "8001");
  kubernetes.stdin?.end(JSON.stringify({ nodes: [...nodes, ...moreNodes], controlplane, ...services } satisfies ServedObjects));

  const runDir = join(node.directory, "run");
  const configFile = join(node.directory, "antrea-agent.conf");
  const logged: Record<string, unknown>[] = [];
  let agent: ChildProcess | undefined;
  const closed = new WeakSet<ChildProcess>();
  let removed = false;
  const ended = async (): Promise<number | null> => {
    const ending = agent;
    if (ending === undefined || closed.has(ending)) return ending?.exitCode ?? null;
    // Not `exit`: what it said last may come behind it.
    return new Promise<number | null>((resolve) => ending.once("close", resolve));
  };
  const stop = (signal: NodeJS.Signals): Promise<number | null> => {
    const code = ended();
    agent?.kill(signal);
    return code;
  };
  const podNamespace = (pod: string): string => `${node.namespace}-${pod}`;
  const pods = new Set<string>();
  const cni = async (command: "ADD" | "DEL", pod: string, config: object = { ipam: { type: "host-local" } }): Promise<string> => {
    const [file = "", ...args] = built ? [bundle("antrea-cni")] : [process.execPath, source("../../cni/main.ts")];
    const plugin = spawn(file, args, {
      stdio: ["pipe", "pipe", "inherit"],
      env: {
        ...process.env,
        CNI_COMMAND: command,
        CNI_CONTAINERID: `container-of-${pod}`,
        CNI_NETNS: `/run/netns/${podNamespace(pod)}`,
        CNI_IFNAME: "eth0",
        CNI_PATH: "/opt/cni/bin",
        CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod}`,
      },
    });
    plugin.stdin.end(
      JSON.stringify({
        cniVersion: "1.0.0",
        name: "antrea",
        type: "antrea",
        ...config,
        agentSocket: join(runDir, "cni.sock"),
      }),
    );
    return text(plugin.stdout);
  };
  const deletePod = async (pod: string): Promise<void> => {
    await cni("DEL", pod);
    await losePod(pod);
  };
  const losePod = async (pod: string): Promise<void> => {
    await run("ip", ["netns", "del", podNamespace(pod)]);
    pods.delete(pod);
  };
  await mkdir(runDir, { recursive: true });

  return {
    async addPod(pod) {
      await run("ip", ["netns", "add", podNamespace(pod)]);
      pods.add(pod);
      const add = async () => JSON.parse(await cni("ADD", pod)) as CniReply;
      let reply = await add();
      // As a runtime does; on an ordinary machine once has to do.
      for (; reply.code === tryAgainLater && patience(1) > 1; reply = await add()) await cni("DEL", pod);
      if (reply.ips === undefined) throw new Error(`ADD of ${pod} failed: ${JSON.stringify(reply)}`);
      return {
        namespace: podNamespace(pod),
        interfaceName: reply.interfaces[0]?.name ?? "",
        addresses: reply.ips.map(({ address }) => address.split("/")[0] ?? ""),
      };
    },
    async chainPod(pod, addresses) {
      const namespace = podNamespace(pod);
      await run("ip", ["netns", "add", namespace]);
      pods.add(pod);
      await node.exec("ip", "link", "add", pod, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      await node.exec("ip", "link", "set", pod, "up");
      const inPod = (...args: string[]) => run("ip", ["-n", namespace, ...args]);
      await inPod("link", "set", "eth0", "up");
      for (const [family, router, bits] of [
        [4, ptpRouters[4], 32],
        [6, ptpRouters[6], 128],
      ] as const) {
        await node.exec("ip", "address", "add", `${router}/${bits}`, "dev", pod, ...(family === 6 ? ["nodad"] : []));
        await node.exec("ip", `-${family}`, "route", "add", `${addresses[family]}/${bits}`, "dev", pod);
        await inPod("address", "add", `${addresses[family]}/${bits}`, "dev", "eth0", ...(family === 6 ? ["nodad"] : []));
        await inPod(`-${family}`, "route", "add", `${router}/${bits}`, "dev", "eth0");
        await inPod(`-${family}`, "route", "add", "default", "via", router, "dev", "eth0");
      }
      const prevResult = {
        cniVersion: "1.0.0",
        interfaces: [{ name: pod }, { name: "eth0", sandbox: `/run/netns/${namespace}` }],
        ips: ([4, 6] as const).map((family) => ({
          interface: 1,
          address: `${addresses[family]}/${family === 4 ? 32 : 128}`,
          gateway: ptpRouters[family],
        })),
      };
      const add = async () => JSON.parse(await cni("ADD", pod, { prevResult })) as CniReply;
      let reply = await add();
      for (; reply.code === tryAgainLater && patience(1) > 1; ) reply = await add();
      if (reply.ips === undefined) throw new Error(`ADD of ${pod} failed: ${JSON.stringify(reply)}`);
      return { namespace };
    },
    deletePod,
    losePod,
    async putNode(row) {
      await node.exec("curl", "-sf", "-X", "PUT", "-d", JSON.stringify(row), `http://127.0.0.1:8001/api/v1/nodes/${row.metadata.name}`);
    },
    async deleteNode(name) {
      await node.exec("curl", "-sf", "-X", "DELETE", `http://127.0.0.1:8001/api/v1/nodes/${name}`);
    },
    get pid() {
      return agent?.pid;
    },
    node,
    runDir,
    logged,
    start(config = {}, { preload, program: script = program } = {}) {
      const content = stringify({
        ovsDatapathType: testDatapath,
        ovsRunDir: node.ovsRunDir,
        runDir,
        logDir: join(node.directory, "log"),
        cniSocket: join(runDir, "cni.sock"),
        hostProcPathPrefix: "",
        podReady: { timeout: `${amplePatience / 1_000}s` },
        clientConnection: { kubeconfig: source("./kubeconfig.yaml") },
        ...config,
      });
      void writeFile(configFile, content).then(() => {
        agent?.kill("SIGKILL");
        const first = preload === undefined ? [] : ["--import", testScript(preload)];
        const started = inNamespace(...(script.endsWith(".js") ? bundleFlags : []), ...first, script, "--config", configFile);
        agent = started;
        started.once("close", () => closed.add(started));
        if (started.stderr === null) throw new TypeError("an agent without pipes");
        createInterface({ input: started.stderr }).on("line", (line) => {
          if (line !== "") logged.push(line.startsWith("{") ? JSON.parse(line) : { line });
        });
      });
    },
    stop,
    ended,
    ask: (path) =>
      node.exec(
        "sh",
        "-c",
        `curl -sk --max-time ${amplePatience / 1_000} -H "Authorization: Bearer $(cat "$1")" "https://127.0.0.1:10350$2"`,
        "ask",
        join(runDir, "apiserver", "loopback-client-token"),
        path,
      ),
    async eventually(condition) {
      // A test that was given up must not keep the process.
      for (let asked = performance.now(); !removed && !(await Promise.resolve(condition()).catch(() => false)); asked = performance.now())
        await new Promise((resolve) => setTimeout(resolve, Math.max(patience(20), askingShare * (performance.now() - asked))));
    },
    remove: async () => {
      removed = true;
      for (const pod of pods) await run("ip", ["netns", "del", podNamespace(pod)]);
      await stop("SIGKILL");
      kubernetes.kill("SIGKILL");
      await node.remove();
    },
  };
}
