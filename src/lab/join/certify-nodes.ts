import { createKubeClient, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { systemFiles } from "#lib/runtime/files.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { LabPaths } from "../paths.ts";
import { apiNetworkOf, clusterNodeName, type LabSpec, nodeAddress, nodeName } from "../spec.ts";
import { writeJoinedKubeconfig } from "./join-cluster.ts";
import { issueNodeCertificates, type NodeCertificates } from "./node-certificates.ts";
import { keepRenewed } from "./keep-renewed.ts";

/**
 * Gives each kubelet certificates of the cluster's own, and new ones before they expire: it comes as its node and no longer as the user of the
 * kubeconfig, and an API server that verifies kubelets verifies it. Where the cluster issues none, the kubelets stay with what they have, and the
 * log says why.
 */
export async function certifyNodes(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { spec } = options;
  const numbers = Array.from({ length: spec.nodes }, (_, index) => index + 1);
  const results = await Promise.allSettled(numbers.map((number) => certifyNode({ ...options, number })));
  options.signal.throwIfAborted();
  for (const [index, result] of results.entries())
    if (result.status === "rejected")
      options.runtime.logger.warn("the cluster issues no certificates for a kubelet: it comes as the user of the kubeconfig", {
        node: clusterNodeName(spec, index + 1),
        error: errorMessage(result.reason),
      });
}

async function certifyNode(options: Parameters<typeof certifyNodes>[0] & { readonly number: number }): Promise<void> {
  const { runtime, client, paths, spec, number, signal } = options;
  const user = `kubelet-${nodeName(number)}`;
  const name = clusterNodeName(spec, number);
  const address = nodeAddress(apiNetworkOf(spec), number);
  const addresses = [address.v4.toString(), address.v6.toString()];
  const certificateFile = paths.renewed(user);
  const publish = async ({ client: own, serving }: NodeCertificates): Promise<void> => {
    await systemFiles.replace(certificateFile, `${own.certificate}${own.key}`);
    await systemFiles.replace(paths.renewed(`${user}-server`), `${serving.certificate}${serving.key}`);
  };
  const request = (asker: Pick<KubeClient, "create" | "get">): Promise<NodeCertificates> =>
    issueNodeCertificates({ runtime, asker, approver: client, name, addresses, signal });
  await keepRenewed({
    runtime,
    node: name,
    first: () => request(client),
    async again(present) {
      // A node asks for its own, as every kubelet does: approvers of the cluster look at who asks.
      const asNode = createKubeClient({ config: { ...loadKubeconfig(paths.adminKubeconfig), ...present.client, token: () => "" } });
      try {
        return await request(asNode);
      } finally {
        asNode.close();
      }
    },
    publish,
    signal,
  });
  await writeJoinedKubeconfig({ paths, spec, user, credentials: { certificateFile } });
}
