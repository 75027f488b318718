import { join } from "node:path";
import type { LabPaths } from "../paths.ts";
import type { LabSpec } from "../spec.ts";
import { delegationArguments } from "./delegation.ts";

/** Flags of a real kube-controller-manager in a lab: it also divides the pod addresses among nodes, a /24 and a /64 each. */
export function kubeControllerManagerArguments({ paths, spec }: { readonly paths: LabPaths; readonly spec: LabSpec }): readonly string[] {
  const pki = (name: string): string => join(paths.pki, name);
  return [
    ...delegationArguments({ paths, user: "kube-controller-manager" }),
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${pki("service-account.key")}`,
    `--root-ca-file=${pki("ca.crt")}`,
    `--cluster-signing-cert-file=${pki("ca.crt")}`,
    `--cluster-signing-key-file=${pki("ca.key")}`,
    "--allocate-node-cidrs=true",
    `--cluster-cidr=${spec.podCidrs.join(",")}`,
    `--service-cluster-ip-range=${spec.serviceCidrs.join(",")}`,
    ...(spec.podCidrs.some((cidr) => !cidr.includes(":")) ? ["--node-cidr-mask-size-ipv4=24"] : []),
    ...(spec.podCidrs.some((cidr) => cidr.includes(":")) ? ["--node-cidr-mask-size-ipv6=64"] : []),
  ];
}
