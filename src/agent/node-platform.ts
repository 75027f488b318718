import { join } from "node:path";
import { createNetlink } from "#lib/netlink/index.ts";
import { createNftables } from "#lib/nftables/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { appctl, connectOvsdb, controlSocket, openVSwitch } from "#lib/ovsdb/index.ts";
import { type Runtime, systemFiles } from "#lib/runtime/index.ts";
import { serveApi } from "./api/server.ts";
import { listenForCni } from "./cni/server.ts";
import { connectClients } from "./clients.ts";
import type { AgentConfig } from "./config.ts";
import type { AgentPlatform, SwitchControl } from "./platform.ts";

/** The machine that the agent runs on, as configured. */
export function nodePlatform(options: {
  readonly runtime: Runtime;
  readonly config: AgentConfig;
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
}): AgentPlatform {
  const { runtime, config } = options;
  const inRunDir = (name: string): string => join(config.ovsRunDir, name);
  return {
    connectClients: (signal) => connectClients({ ...options, signal }),
    files: systemFiles,
    connectDatabase: (signal) => connectOvsdb({ runtime, path: inRunDir("db.sock"), database: openVSwitch, signal }),
    connectBridge: (bridge, signal) => connectOpenFlow({ runtime, path: inRunDir(`${bridge}.mgmt`), signal }),
    control: switchControl({ runtime, ovsRunDir: config.ovsRunDir }),
    createNetlink: (onFailure) => createNetlink({ runtime, onFailure }),
    createNftables: ({ home }) => createNftables({ kernel: home }),
    serveApi,
    listenForCni,
  };
}

/** The vswitchd whose sockets are in `ovsRunDir`. */
export const switchControl =
  ({ runtime, ovsRunDir }: { readonly runtime: Pick<Runtime, "clock">; readonly ovsRunDir: string }): SwitchControl =>
  async (command, args = []) =>
    appctl({ runtime, path: await controlSocket(ovsRunDir), command, args });
