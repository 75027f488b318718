import { join } from "node:path";
import type { LabPaths } from "../paths.ts";
import { apiNetwork, apiServerPort, firstAddress, type LabSpec } from "../spec.ts";
import { etcdUrl } from "./etcd.ts";

/** Flags of a real kube-apiserver in a lab: what kubeadm would give, with the lab's addresses and files. */
export function kubeApiServerArguments({ paths, spec }: { readonly paths: LabPaths; readonly spec: LabSpec }): readonly string[] {
  const pki = (name: string): string => join(paths.pki, name);
  const own = firstAddress(apiNetwork);
  return [
    `--advertise-address=${spec.serviceCidrs[0]?.includes(":") ? own.v6 : own.v4}`,
    `--secure-port=${apiServerPort}`,
    `--etcd-servers=${etcdUrl}`,
    `--etcd-cafile=${pki("etcd-ca.crt")}`,
    `--etcd-certfile=${pki("etcd-client.crt")}`,
    `--etcd-keyfile=${pki("etcd-client.key")}`,
    `--client-ca-file=${pki("ca.crt")}`,
    `--tls-cert-file=${pki("api-server.crt")}`,
    `--tls-private-key-file=${pki("api-server.key")}`,
    `--service-cluster-ip-range=${spec.serviceCidrs.join(",")}`,
    // who comes: certificates, tokens of service accounts; what they may
    `--service-account-issuer=${serviceAccountIssuer}`,
    `--service-account-key-file=${pki("service-account.pub")}`,
    `--service-account-signing-key-file=${pki("service-account.key")}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    // the way to kubelets
    "--kubelet-preferred-address-types=InternalIP",
    `--kubelet-certificate-authority=${pki("ca.crt")}`,
    `--kubelet-client-certificate=${pki("api-server-kubelet-client.crt")}`,
    `--kubelet-client-key=${pki("api-server-kubelet-client.key")}`,
    // the way to servers behind this one: by their endpoints, as no ClusterIP leads anywhere in the fabric
    "--enable-aggregator-routing=true",
    `--proxy-client-cert-file=${pki("front-proxy-client.crt")}`,
    `--proxy-client-key-file=${pki("front-proxy-client.key")}`,
    `--requestheader-client-ca-file=${pki("front-proxy-ca.crt")}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
  ];
}

export const serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local";
