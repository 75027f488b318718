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
