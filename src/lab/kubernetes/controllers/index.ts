import type { KeyPair } from "#lib/apiserver/certificates.ts";
import type { Prefix } from "#lib/ip/prefix.ts";
import type { KubeClient } from "#lib/kube/client.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { runCertificateApprover } from "./certificates/approver.ts";
import { runCertificateSigner } from "./certificates/signer.ts";
import { type ControllerContext, followCluster } from "./cluster.ts";
import { runDaemonSets } from "./daemon-set.ts";
import { runDeployments } from "./deployment/deployment.ts";
import { runEndpointSlices } from "./endpoint-slice.ts";
import { runEndpoints } from "./endpoints.ts";
import { runGarbageCollector } from "./garbage-collector.ts";
import { runNamespaces } from "./namespace.ts";
import { runNodeCidrs } from "./node-cidrs.ts";
import { runNodeLifecycle } from "./node-lifecycle.ts";
import { runPodGc } from "./pod-gc.ts";
import { runReplicaSets } from "./replica-set.ts";
import { runScheduler } from "./scheduler/scheduler.ts";
import { runServiceAccounts } from "./service-account.ts";
import { runStatefulSets } from "./stateful-set.ts";

/** Which of the controllers: all, the scheduler alone, or all but it, where a real program does the rest. */
export const controllerSets = ["all", "scheduler", "all-but-scheduler"] as const;

export interface ControllersOptions {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  /** At most one per family; each node gets a /24 and a /64 of them. */
  readonly podCidrs: readonly Prefix[];
  /** Certificate (PEM) by which pods check the API server. */
  readonly rootCa: string;
  /** The authority of client and kubelet certificates. Absent: requests for them stay unanswered. */
  readonly signing?: KeyPair;
  /** Silence after which a node counts as lost. */
  readonly nodeGracePeriod?: Duration;
  /** Default: all. */
  readonly controllers?: (typeof controllerSets)[number];
  readonly signal: AbortSignal;
}

/** Starts every controller of the lab; they run until `signal` aborts. Resolves once all of them know the cluster and are at work. */
export async function runControllers({
  runtime,
  client,
  podCidrs,
  rootCa,
  signing,
  nodeGracePeriod = seconds(40),
  controllers = "all",
  signal,
}: ControllersOptions): Promise<void> {
  // sources: one table per kind, shared by all
  const cluster = followCluster({ runtime, client, signal });
  await Promise.all(cluster.all.map(({ table }) => table.whenSynced()));
  const context: ControllerContext = { runtime, client, signal, cluster };
  if (controllers !== "all-but-scheduler") runScheduler(context);
  if (controllers === "scheduler") return;
  // namespaces and what every one of them has
  runServiceAccounts(context, rootCa);
  runNamespaces(context);
  // workloads, from the top down
  runDeployments(context);
  runReplicaSets(context);
  runDaemonSets(context);
  runStatefulSets(context);
  runEndpointSlices(context);
  runEndpoints(context);
  // nodes
  runNodeCidrs(context, podCidrs);
  runNodeLifecycle(context, nodeGracePeriod);
  // certificates
  runCertificateApprover(context);
  if (signing !== undefined) runCertificateSigner(context, signing);
  // what is left behind
  runGarbageCollector(context);
  runPodGc(context);
}
