import { Command, CommanderError } from "commander";
import { errorMessage } from "#lib/runtime/errors.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { readConfig } from "./config.ts";
import { runKubelet } from "./kubelet.ts";
import { kubeletVersion } from "./node-status.ts";

const command = new Command("lab-kubelet")
  .description("Runs the pods of one lab node on its containerd.")
  .version(kubeletVersion)
  .option("--hostname-override <name>", "name of the node")
  .option("--node-ip <addresses>", "addresses of the node, the primary first, at most one per family")
  .option("--kubeconfig <file>", "how to reach the API")
  .option("--container-runtime-endpoint <socket>", "containerd's socket")
  .option("--root-dir <folder>", "pods' volumes and files")
  .option("--pod-logs-dir <folder>", "containers' logs")
  .option("--cgroup-root <path>", "parent cgroup of all pods")
  .option("--port <number>", "HTTPS port for logs, exec, attach and port-forward", "10250")
  .option("--healthz-port <number>", "plain port of /healthz on loopback, 0 for none", "10248")
  .option("--tls-cert-file <file>", "certificate of the HTTPS server")
  .option("--tls-private-key-file <file>", "its key")
  .option("--client-ca-file <file>", "authority of the client certificates that may ask")
  .option("--cluster-dns <addresses>", "name servers for pods with dnsPolicy ClusterFirst", "")
  .option("--cluster-domain <domain>", "domain of the cluster", "cluster.local")
  .option("--max-pods <number>", "pods that fit on the node", "110")
  .option("--log-level <level>", "error, warn, info, debug or trace", "info")
  .exitOverride();

/** Exit codes: 0 ended on request, 1 failed, 2 wrong flags. */
async function main(): Promise<number> {
  try {
    const config = readConfig(command.parse().opts());
    const stop = new AbortController();
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());
    await runKubelet(systemRuntime({ level: config.logLevel }), config, stop.signal);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`${errorMessage(error)}\n`);
    return (error as { code?: unknown }).code === "INVALID_KUBELET_OPTION" ? 2 : 1;
  }
}

process.exit(await main());
