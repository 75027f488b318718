import { access, readFile } from "node:fs/promises";
import type { Runtime } from "#lib/runtime/index.ts";
import { connectRpc } from "./rpc.ts";

/**
 * Runs a command of a daemon of Open vSwitch, as `ovs-appctl` does, and resolves with its text.
 * Rejects with RpcFailed carrying the daemon's words, or OvsdbDisconnected when the daemon is not there.
 */
export async function appctl(options: {
  readonly runtime: Pick<Runtime, "clock">;
  /** The control socket, see {@link controlSocket}. */
  readonly path: string;
  readonly command: string;
  readonly args?: readonly string[];
}): Promise<string> {
  const connection = await connectRpc({ runtime: options.runtime, path: options.path, probe: false });
  try {
    const result = await connection.call(options.command, options.args ?? []);
    return typeof result === "string" ? result : "";
  } finally {
    connection.close();
  }
}

/** The control socket of a running daemon in `runDir`: `<daemon>.<pid>.ctl`, the pid out of its pid file, or `<daemon>.ctl` where it was told so. */
export async function controlSocket(runDir: string, daemon: "ovs-vswitchd" | "ovsdb-server" = "ovs-vswitchd"): Promise<string> {
  const pid = (await readFile(`${runDir}/${daemon}.pid`, "utf8")).trim();
  const usual = `${runDir}/${daemon}.${pid}.ctl`;
  return access(usual).then(
    () => usual,
    () => `${runDir}/${daemon}.ctl`,
  );
}
