import { readFileSync } from "node:fs";
import { createKubectl, type Kubectl } from "../src/lab/demo/kubectl.ts";
import { type Lab, labUp } from "../src/lab/lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";
import { benchLab } from "./leftovers.ts";

/** Brings up a lab of its own for a bench, hands it over, and takes it down again whatever happens. */
export async function withLab<Result>(
  { nodes, controllers = 1 }: { readonly nodes: number; readonly controllers?: number },
  use: (lab: Lab, kubectl: Kubectl) => Promise<Result>,
): Promise<Result> {
  const spec = {
    name: benchLab(process.pid),
    nodes,
    controllers,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    fromSource: false,
  };
  const lab = await labUp({ runtime: systemRuntime({ level: "error" }), spec });
  try {
    return await use(lab, createKubectl(lab.paths.adminKubeconfig));
  } finally {
    await lab.down();
  }
}

/** A pod of the smallest kind, bound to a node by its host name. */
export function pod(
  name: string,
  options: {
    readonly node: string;
    readonly image?: string;
    readonly command?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  },
): object {
  const { node, image = "registry.k8s.io/pause:3.10", command, labels = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name, ...labels } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image, ...(command === undefined ? {} : { command }) }],
    },
  };
}

export async function applyAndWait(kubectl: Kubectl, pods: readonly object[]): Promise<void> {
  await kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: pods }));
  await kubectl(["wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"]);
}

/** Resident memory of a process in MB (10^6 bytes). */
export function residentMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kilobytes) * 1024) / 1e6;
}

/** Processor time that a process has used so far, in milliseconds (proc(5), USER_HZ = 100). */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The process id of one of the lab's processes. */
export function pidOf(lab: Lab, process: string): number {
  const pid = lab.status().processes.find(({ name }) => name === process)?.pid;
  if (pid === undefined) throw new Error(`${process} is not running`);
  return pid;
}
