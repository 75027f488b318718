import type { LocalPort } from "#core/pipeline/rows.ts";
import type { IpAddress, MacAddress, Prefix } from "#lib/ip/index.ts";
import type { Netlink } from "#lib/netlink/index.ts";
import type { Duration, Runtime } from "#lib/runtime/index.ts";
import type { AddressPool } from "./address-pool.ts";
import type { Quarantine } from "./quarantine.ts";
import type { SwitchPorts } from "./switch-ports.ts";

/** What pods of this node get. */
export interface PodNetwork {
  /** At most one block for each family. */
  readonly podCIDRs: readonly Prefix[];
  readonly mtu: number;
}

/** What the server needs of the rest of the agent. */
export interface CniSettings {
  /** Resolves once the node has pod CIDRs and the switch takes ports; rejects when `signal` aborts first. */
  readonly podNetwork: (signal: AbortSignal) => Promise<PodNetwork>;
  /** Resolves once the switch forwards for this pod and enforces the policies that the controller has for it. */
  readonly podReady: (pod: LocalPort, signal: AbortSignal) => Promise<void>;
  /** Whether the Kubernetes API has the pod, as far as this node has heard. */
  readonly knowsPod: (pod: { readonly namespace: string; readonly name: string }) => boolean;
  /** Forgets the tracked connections of addresses whose pod goes (see connections.ts). */
  readonly purgeConnections: (addresses: readonly IpAddress[]) => Promise<void>;
  /** With `networkPolicyOnly`, another plugin makes pods' interfaces and gives them addresses. */
  readonly chained: boolean;
  /** For chained pods: resolves when the node's routes to all ports of now stand. Rejects when `signal` aborts first. */
  readonly podRouted: (signal: AbortSignal) => Promise<void>;
  /** For chained pods: the link address that their IPv6 routers have, where the switch cannot answer for every router that a pod may ask for. */
  readonly routersMac?: MacAddress;
  /** False where the datapath cannot fill in checksums, or the configuration says so. */
  readonly txChecksumOffload: boolean;
  /** Where the node's file system is seen: `hostProcPathPrefix`. */
  readonly pathPrefix: string;
  readonly readiness: Readiness;
}

/**
 * How long ADD waits for {@link CniSettings.podReady}, and what then. `fail`: the pod is undone and the runtime told to try again.
 * `admit`: the pod starts; the switch still drops its packets until its policies are computed, since an interface without a profile drops.
 */
export interface Readiness {
  readonly timeout: Duration;
  readonly onTimeout: "fail" | "admit";
}

export interface CniDependencies extends CniSettings {
  readonly runtime: Runtime;
  readonly netlink: Netlink;
  readonly ports: SwitchPorts;
  readonly pool: AddressPool;
  readonly quarantine: Quarantine;
}
