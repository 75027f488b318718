import type { Netlink, NetlinkClosed } from "#lib/netlink/index.ts";
import type { Nftables } from "#lib/nftables/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { OpenVSwitch, OvsdbClient } from "#lib/ovsdb/index.ts";
import type { Files } from "#lib/runtime/index.ts";
import type { serveApi } from "./api/server.ts";
import type { listenForCni } from "./cni/server.ts";
import type { Clients } from "./clients.ts";

/** Everything outside of its process that the agent stands on. The node's own is `nodePlatform`; a simulation hands in another. */
export interface AgentPlatform {
  readonly connectClients: (signal: AbortSignal) => Clients;
  /** The agent's own files. */
  readonly files: Files;
  /** Open vSwitch's database. Resolves once connected, and stays connected. */
  readonly connectDatabase: (signal: AbortSignal) => Promise<OvsdbClient<OpenVSwitch>>;
  /** The management connection of the bridge of that name. */
  readonly connectBridge: (bridge: string, signal: AbortSignal) => Promise<OpenFlowConnection>;
  /** Commands to the switch itself. */
  readonly control: SwitchControl;
  readonly createNetlink: (onFailure: (error: NetlinkClosed) => void) => Netlink;
  readonly createNftables: (netlink: Netlink) => Nftables;
  readonly serveApi: typeof serveApi;
  readonly listenForCni: typeof listenForCni;
}

/** Runs a command of ovs-vswitchd, as `ovs-appctl` does, and resolves with its text. */
export type SwitchControl = (command: string, args?: readonly string[]) => Promise<string>;
