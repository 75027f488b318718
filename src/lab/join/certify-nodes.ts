import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubeClient } from "#lib/kube/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { LabPaths } from "../paths.ts";
import { apiNetworkOf, clusterNodeName, type LabSpec, nodeAddress, nodeName } from "../spec.ts";
import { writeJoinedKubeconfig } from "./join-cluster.ts";
import { issueNodeCertificates } from "./node-certificates.ts";

/**
 * Gives each kubelet certificates of the cluster's own: it comes as its node and no longer as the user of the kubeconfig, and an API server that
 * verifies kubelets verifies it. Where the cluster issues none, the kubelets stay with what they have, and the log says why.
 */
export async function certifyNodes(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { runtime, paths, spec } = options;
  const certify = async (number: number): Promise<void> => {
    const user = `kubelet-${nodeName(number)}`;
    const address = nodeAddress(apiNetworkOf(spec), number);
    const addresses = [address.v4.toString(), address.v6.toString()];
    const { client, serving } = await issueNodeCertificates({ ...options, name: clusterNodeName(spec, number), addresses });
    await writeFile(join(paths.pki, `${user}-server.crt`), serving.certificate);
    await writeFile(join(paths.pki, `${user}-server.key`), serving.key, { mode: 0o600 });
    await writeJoinedKubeconfig({ paths, spec, user, credentials: client });
  };
  const numbers = Array.from({ length: spec.nodes }, (_, index) => index + 1);
  const results = await Promise.allSettled(numbers.map(certify));
  options.signal.throwIfAborted();
  for (const [index, result] of results.entries())
    if (result.status === "rejected")
      runtime.logger.warn("the cluster issues no certificates for a kubelet: it comes as the user of the kubeconfig", {
        node: clusterNodeName(spec, index + 1),
        error: errorMessage(result.reason),
      });
}
