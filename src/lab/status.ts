import type { KubeAssets } from "./kube-assets/find-assets.ts";
import type { NodeState } from "./node/lab-node.ts";
import type { SupervisedProcess } from "./supervisor/processes.ts";

/** What `antctl lab status -o json` prints. */
export interface LabStatus {
  readonly name: string;
  readonly kubeconfig: string;
  readonly server: string;
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly uplink: boolean;
  /** The parts of Kubernetes: which are the lab's own, and which are real, and then from where. */
  readonly kubernetes: readonly { readonly part: string; readonly program: string }[];
  /** What the images of the lab are. */
  readonly images: string;
  readonly nodes: readonly { readonly name: string; readonly state: NodeState }[];
  readonly processes: readonly {
    readonly name: string;
    readonly pid?: number;
    readonly state: SupervisedProcess["state"];
    readonly restarts: number;
  }[];
}

/** What runs each part of Kubernetes. */
export function kubernetesParts({
  assets,
  joins,
}: {
  readonly assets: KubeAssets;
  readonly joins?: string | undefined;
}): LabStatus["kubernetes"] {
  const part = (name: string, own: string, real: keyof KubeAssets) => ({ part: name, program: assets[real] ?? `${own} (the lab's own)` });
  const kubelet = part("kubelet", "lab-kubelet", "kubelet");
  if (joins !== undefined) return [{ part: "API server", program: `that of ${joins}` }, kubelet];
  return [
    part("API server", "lab-api-server", "kube-apiserver"),
    part("storage", "SQLite", "etcd"),
    part("controllers", "lab-controllers", "kube-controller-manager"),
    part("scheduler", "lab-controllers", "kube-scheduler"),
    kubelet,
  ];
}
