import { join } from "node:path";
import type { RealKubelet } from "../kube-assets/kubelet.ts";
import type { LabPaths } from "../paths.ts";
import { apiNetwork, type LabSpec, nodeAddress } from "../spec.ts";
import { containerCgroup } from "./containerd-cleanup.ts";

export interface NodeIdentity {
  readonly paths: LabPaths;
  readonly node: string;
  readonly number: number;
  readonly spec: LabSpec;
}

/** Who a node's kubelet is, whichever program it is. */
export function kubeletIdentity({ paths, node: name, number, spec }: NodeIdentity): RealKubelet {
  const address = nodeAddress(apiNetwork, number);
  return {
    node: paths.node(name),
    name,
    addresses: spec.podCidrs.map((cidr) => (cidr.includes(":") ? address.v6 : address.v4).toString()),
    kubeconfig: paths.kubeconfig(`kubelet-${name}`),
    clientCa: join(paths.pki, "ca.crt"),
    servingCertificate: join(paths.pki, `kubelet-${name}-server.crt`),
    servingKey: join(paths.pki, `kubelet-${name}-server.key`),
  };
}

/** Flags of the lab's own kubelet. */
export function kubeletArguments(identity: NodeIdentity): readonly string[] {
  const { node, name, addresses, kubeconfig, clientCa, servingCertificate, servingKey } = kubeletIdentity(identity);
  return [
    `--hostname-override=${name}`,
    `--node-ip=${addresses.join(",")}`,
    `--kubeconfig=${kubeconfig}`,
    `--container-runtime-endpoint=unix://${node.containerdSocket}`,
    `--root-dir=${join(node.kubelet, "pods")}`,
    `--pod-logs-dir=${join(node.kubelet, "logs")}`,
    `--cgroup-root=${containerCgroup(node.containerd)}`,
    `--tls-cert-file=${servingCertificate}`,
    `--tls-private-key-file=${servingKey}`,
    `--client-ca-file=${clientCa}`,
    "--log-level=warn",
  ];
}
