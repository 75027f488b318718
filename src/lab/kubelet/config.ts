import { parseAddress } from "#lib/ip/address.ts";
import { type LogLevel, logLevels } from "#lib/runtime/logger.ts";
import { InvalidKubeletOption } from "./errors.ts";

/** How one node's kubelet is set up. Flags have the stock kubelet's names where it has them. */
export interface KubeletConfig {
  readonly nodeName: string;
  /** Addresses of the node, the primary family first; at most one per family. */
  readonly nodeAddresses: readonly string[];
  readonly kubeconfig: string;
  readonly containerdSocket: string;
  /** Pods' volumes and files. */
  readonly rootDir: string;
  readonly podLogsDir: string;
  /** Parent cgroup of all pods. */
  readonly cgroupRoot: string;
  readonly port: number;
  readonly healthzPort: number;
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly clientCaFile: string;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly maxPods: number;
  readonly logLevel: LogLevel;
}

/** The flags as text, as commander gives them. */
export type KubeletFlags = Readonly<Record<string, string | undefined>>;

/** Checks the flags. Throws {@link InvalidKubeletOption} naming the flag. */
export function readConfig(flags: KubeletFlags): KubeletConfig {
  const needed = (flag: string): string => {
    const value = flags[camelCase(flag)];
    if (value === undefined || value === "") throw new InvalidKubeletOption(`--${flag}`, "is missing");
    return value;
  };
  const absolute = (flag: string): string => {
    const value = needed(flag).replace(/^unix:\/\//, "");
    if (!value.startsWith("/")) throw new InvalidKubeletOption(`--${flag}`, `${JSON.stringify(value)} is not an absolute path`);
    return value;
  };
  const whole = (flag: string, least: number, most: number): number => {
    const value = Number(needed(flag));
    if (!Number.isInteger(value) || value < least || value > most)
      throw new InvalidKubeletOption(`--${flag}`, `${JSON.stringify(needed(flag))} is not a whole number from ${least} to ${most}`);
    return value;
  };
  const addresses = (flag: string): string[] =>
    (flags[camelCase(flag)] ?? "")
      .split(",")
      .filter((text) => text !== "")
      .map((text) => {
        try {
          return parseAddress(text).toString();
        } catch {
          throw new InvalidKubeletOption(`--${flag}`, `${JSON.stringify(text)} is not an IP address`);
        }
      });
  const nodeAddresses = addresses("node-ip");
  const families = nodeAddresses.map((address) => parseAddress(address).family);
  if (nodeAddresses.length === 0) throw new InvalidKubeletOption("--node-ip", "give one address, or two separated by a comma");
  if (new Set(families).size !== families.length) throw new InvalidKubeletOption("--node-ip", "give at most one address of each family");
  const logLevel = flags.logLevel ?? "info";
  if (!isLogLevel(logLevel))
    throw new InvalidKubeletOption("--log-level", `${JSON.stringify(logLevel)} is none of ${logLevels.join(", ")}`);
  return {
    nodeName: needed("hostname-override"),
    nodeAddresses,
    kubeconfig: absolute("kubeconfig"),
    containerdSocket: absolute("container-runtime-endpoint"),
    rootDir: absolute("root-dir"),
    podLogsDir: absolute("pod-logs-dir"),
    cgroupRoot: absolute("cgroup-root"),
    port: whole("port", 1, 65_535),
    healthzPort: whole("healthz-port", 0, 65_535),
    tlsCertFile: absolute("tls-cert-file"),
    tlsKeyFile: absolute("tls-private-key-file"),
    clientCaFile: absolute("client-ca-file"),
    clusterDns: addresses("cluster-dns"),
    clusterDomain: needed("cluster-domain"),
    maxPods: whole("max-pods", 1, 1_000),
    logLevel,
  };
}

const isLogLevel = (text: string): text is LogLevel => (logLevels as readonly string[]).includes(text);

const camelCase = (flag: string): string => flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
