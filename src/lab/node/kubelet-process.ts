import { join } from "node:path";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeAssets } from "../kube-assets/find-assets.ts";
import { prepareRealKubelet, type RealKubelet, realKubeletArguments } from "../kube-assets/kubelet.ts";
import { clusterDnsAddresses } from "../install-dns.ts";
import type { LabPaths } from "../paths.ts";
import { program } from "../programs.ts";
import { type SupervisedProcess, supervise } from "../supervisor/processes.ts";
import { apiNetworkOf, clusterNodeName, type LabSpec, nodeAddress } from "../spec.ts";
import { containerCgroup } from "./containerd-cleanup.ts";

export interface NodeIdentity {
  readonly paths: LabPaths;
  readonly node: string;
  readonly number: number;
  readonly spec: LabSpec;
}

/** Who a node's kubelet is, whichever program it is. */
export function kubeletIdentity({ paths, node: name, number, spec }: NodeIdentity): RealKubelet {
  const address = nodeAddress(apiNetworkOf(spec), number);
  return {
    node: paths.node(name),
    name: clusterNodeName(spec, number),
    addresses: spec.podCidrs.map((cidr) => (cidr.includes(":") ? address.v6 : address.v4).toString()),
    kubeconfig: paths.kubeconfig(`kubelet-${name}`),
    clientCa: join(paths.pki, spec.joins === undefined ? "ca.crt" : "cluster-client-ca.crt"),
    clusterDns: clusterDnsAddresses(spec),
    servingCertificate: spec.joins === undefined ? join(paths.pki, `kubelet-${name}-server.crt`) : paths.renewed(`kubelet-${name}-server`),
    servingKey: spec.joins === undefined ? join(paths.pki, `kubelet-${name}-server.key`) : paths.renewed(`kubelet-${name}-server`),
  };
}

/** Flags of the lab's own kubelet. */
function kubeletArguments(identity: NodeIdentity): readonly string[] {
  const { node, name, addresses, kubeconfig, clientCa, clusterDns, servingCertificate, servingKey } = kubeletIdentity(identity);
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
    ...(clusterDns.length === 0 ? [] : [`--cluster-dns=${clusterDns.join(",")}`]),
    "--log-level=warn",
  ];
}

/** The node's kubelet: the real one where the lab has it. `mountsOf` names the process that holds a bare node's mount namespace. */
export function superviseKubelet({
  runtime,
  assets,
  mountsOf,
  signal,
  ...identity
}: NodeIdentity & {
  readonly runtime: Runtime;
  readonly assets: KubeAssets;
  readonly mountsOf?: (() => number | undefined) | undefined;
  readonly signal: AbortSignal;
}): SupervisedProcess {
  const { paths, node, spec } = identity;
  const real = kubeletIdentity(identity);
  const own = assets.kubelet === undefined ? program("lab-kubelet", spec) : undefined;
  return supervise({
    runtime,
    lab: spec.name,
    signal,
    spec: {
      name: `${node}/kubelet`,
      netns: paths.node(node).netns,
      ...(mountsOf === undefined ? {} : { mountsOf }),
      logFile: join(paths.logs, `${node}-kubelet.log`),
      ready: () => Promise.resolve(),
      ...(own === undefined
        ? { command: assets.kubelet ?? "kubelet", args: realKubeletArguments(real), beforeStart: () => prepareRealKubelet(real) }
        : { command: own.command, args: [...own.args, ...kubeletArguments(identity)] }),
    },
  });
}
