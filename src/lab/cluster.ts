import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeAssets } from "./kube-assets/find-assets.ts";
import type { LabPaths } from "./paths.ts";
import type { LabSpec } from "./spec.ts";
import type { SupervisedProcess } from "./supervisor/processes.ts";

/** The Kubernetes that a lab's nodes belong to: its own, or one that it joined. */
export interface LabCluster {
  /** Where its API is, for people. */
  readonly server: string;
  readonly processes: readonly SupervisedProcess[];
  start(): Promise<void>;
  /** While the nodes `names` still run, and are about to stop for good. */
  drain(names: readonly string[]): Promise<void>;
  /** Once they have stopped. */
  forget(names: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly assets: KubeAssets;
  readonly signal: AbortSignal;
}
