import { join } from "node:path";
import type { LabPaths } from "../paths.ts";
import { apiNetwork, type LabSpec, nodeAddress } from "../spec.ts";
import { containerCgroup } from "./containerd-cleanup.ts";

/** Flags of a lab node's kubelet. */
export function kubeletArguments(options: {
  readonly paths: LabPaths;
  readonly node: string;
  readonly number: number;
  readonly spec: LabSpec;
}): readonly string[] {
  const { paths, node: name, number, spec } = options;
  const node = paths.node(name);
  const address = nodeAddress(apiNetwork, number);
  const addresses = spec.podCidrs.map((cidr) => (cidr.includes(":") ? address.v6 : address.v4));
  return [
    `--hostname-override=${name}`,
    `--node-ip=${addresses.join(",")}`,
    `--kubeconfig=${paths.kubeconfig(`kubelet-${name}`)}`,
    `--container-runtime-endpoint=unix://${node.containerdSocket}`,
    `--root-dir=${join(node.kubelet, "pods")}`,
    `--pod-logs-dir=${join(node.kubelet, "logs")}`,
    `--cgroup-root=${containerCgroup(node.containerd)}`,
    `--tls-cert-file=${join(paths.pki, `kubelet-${name}-server.crt`)}`,
    `--tls-private-key-file=${join(paths.pki, `kubelet-${name}-server.key`)}`,
    `--client-ca-file=${join(paths.pki, "ca.crt")}`,
    "--log-level=warn",
  ];
}
