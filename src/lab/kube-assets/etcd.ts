import { join } from "node:path";
import type { LabPaths } from "../paths.ts";

/** etcd listens on the loopback of the fabric's namespace alone, and takes nobody but the holder of the API server's certificate of its own authority. */
export const etcdUrl = "https://127.0.0.1:2379";
const peerUrl = "https://127.0.0.1:2380";

export function etcdArguments(paths: LabPaths): readonly string[] {
  const pki = (name: string): string => join(paths.pki, name);
  const tls = (prefix: string): readonly string[] => [
    `--${prefix}cert-file=${pki("etcd-server.crt")}`,
    `--${prefix}key-file=${pki("etcd-server.key")}`,
    `--${prefix}trusted-ca-file=${pki("etcd-ca.crt")}`,
    `--${prefix}client-cert-auth=true`,
  ];
  return [
    "--name=lab",
    `--data-dir=${join(paths.api, "etcd")}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=lab=${peerUrl}`,
    ...tls(""),
    ...tls("peer-"),
  ];
}
