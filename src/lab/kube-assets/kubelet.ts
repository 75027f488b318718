import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { containerCgroup } from "../node/containerd-cleanup.ts";
import type { NodePaths } from "../paths.ts";

export interface RealKubelet {
  readonly node: NodePaths;
  readonly name: string;
  /** Addresses of the node, the primary family first. */
  readonly addresses: readonly string[];
  /** As whom it talks to the API. */
  readonly kubeconfig: string;
  /** Authority (PEM file) of the certificates that the API server shows it. */
  readonly clientCa: string;
  /** Name servers of pods; none where the cluster has none. */
  readonly clusterDns: readonly string[];
  readonly servingCertificate: string;
  readonly servingKey: string;
}

const configFile = (node: NodePaths): string => join(node.kubelet, "kubelet.yaml");

/** Flags of a real kubelet on a lab node; the rest stands in the file that {@link prepareRealKubelet} writes. */
export function realKubeletArguments({ node, name, addresses, kubeconfig }: RealKubelet): readonly string[] {
  return [
    `--hostname-override=${name}`,
    `--node-ip=${addresses.join(",")}`,
    `--kubeconfig=${kubeconfig}`,
    `--config=${configFile(node)}`,
    `--root-dir=${join(node.kubelet, "pods")}`,
  ];
}

/** Writes the kubelet's configuration and makes the cgroup that its pods go below. */
export async function prepareRealKubelet(kubelet: RealKubelet): Promise<void> {
  const { node } = kubelet;
  const resolvConf = join(node.kubelet, "resolv.conf");
  await mkdir(join(node.kubelet, "logs"), { recursive: true });
  // Names of the machine's own network mean nothing to pods.
  await writeFile(resolvConf, "");
  await writeFile(configFile(node), stringify(kubeletConfiguration(kubelet, { resolvConf })));
  await makeCgroup(containerCgroup(node.containerd));
}

/** `kubelet.config.k8s.io/v1beta1`: several kubelets share this machine, and none of them may think that it is its own. */
function kubeletConfiguration(
  { node, clientCa, clusterDns, servingCertificate, servingKey }: RealKubelet,
  { resolvConf }: { readonly resolvConf: string },
) {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: clientCa } },
    authorization: { mode: "Webhook" },
    tlsCertFile: servingCertificate,
    tlsPrivateKeyFile: servingKey,
    containerRuntimeEndpoint: `unix://${node.containerdSocket}`,
    podLogsDir: join(node.kubelet, "logs"),
    resolvConf,
    clusterDNS: clusterDns,
    clusterDomain: "cluster.local",
    cgroupDriver: "cgroupfs",
    cgroupRoot: containerCgroup(node.containerd),
    // Kubernetes 1.35 and newer refuse version 1 unless told otherwise.
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    makeIPTablesUtilChains: false,
    // Memory and disk are those of the whole machine: nothing is evicted for what others use, and the lab's own images stay.
    evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
    oomScoreAdj: 0,
    serializeImagePulls: false,
    // as quick as the lab's own
    syncFrequency: "20s",
    nodeStatusUpdateFrequency: "5s",
    fileCheckFrequency: "20s",
  };
}

/** Makes the cgroup in every hierarchy that is mounted, version 1 or 2. */
async function makeCgroup(cgroup: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => / - cgroup2? /.test(line));
  for (const line of mounts) await mkdir(`${line.split(" ")[4]}${cgroup}`, { recursive: true });
}
