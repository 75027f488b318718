import { isErrno, type NetworkNamespace } from "#lib/netlink/index.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import type { DriftTarget, Finding } from "../drift.ts";
import type { Attempts } from "./attempts.ts";
import { gatewayAddresses, type HostNetworkInput, type Setting } from "./desired.ts";

/** What was not as it should be, and was put right. */
export interface Repair {
  readonly target: Extract<DriftTarget, "gateway" | "route" | "setting" | "nftables">;
  readonly finding: Finding;
  readonly what: string;
}

/** How rows are brought about. */
export interface RowOptions {
  /** Whether all rows that should be there are known. */
  readonly mayDelete: boolean;
  /** Keeps what is refused. */
  readonly attempts: Attempts;
}

/** The gateway is a device of ours: it is up, and has the addresses it should have and no others. */
export async function applyGateway(home: NetworkNamespace, input: HostNetworkInput): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const repaired = (finding: Finding, what: string): void => void repairs.push({ target: "gateway", finding, what });
  const link = await home.link({ name: input.gateway });
  if (!link.up || link.mtu !== input.mtu) {
    await home.setLink({ index: link.index }, { up: true, mtu: input.mtu });
    repaired("changed", `${input.gateway} ${link.up ? "up" : "down"} mtu ${link.mtu}`);
  }
  if (input.datapath === "netdev" && (await home.getOffload(input.gateway, "txChecksum"))) {
    await home.setOffload(input.gateway, "txChecksum", false);
    repaired("changed", "tx-checksumming");
  }
  const wanted = gatewayAddresses(input);
  const present = (await home.addresses({ linkIndex: link.index })).filter(({ scope }) => scope === "universe");
  const isWanted = (row: (typeof present)[number]): boolean =>
    wanted.some(({ address, prefixLength }) => row.address.equals(address) && row.prefixLength === prefixLength);
  const missing = wanted.filter(
    ({ address, prefixLength }) => !present.some((row) => row.address.equals(address) && row.prefixLength === prefixLength),
  );
  for (const address of missing) {
    await home.addAddress({ ...address, linkIndex: link.index, noDuplicateDetection: true });
    repaired("missing", `${address.address}/${address.prefixLength}`);
  }
  for (const row of present) {
    if (isWanted(row)) continue;
    await home.deleteAddress(row);
    repaired("unknown", `${row.address}/${row.prefixLength}`);
  }
  return repairs;
}

/** Writes the settings that differ. One the kernel lacks is told and left: a kernel without IPv6 has none of its. */
export async function applySettings(
  home: NetworkNamespace,
  settings: readonly Setting[],
  { logger, attempts }: { readonly logger: Logger } & Pick<RowOptions, "attempts">,
): Promise<Repair[]> {
  const repairs: Repair[] = [];
  // Asked together, they travel together: a call of its own wakes two threads.
  const values = await Promise.all(settings.map(({ path }) => home.readSysctl(path)));
  for (const [index, { path, value, only }] of settings.entries()) {
    const present = values[index];
    if (present === undefined) logger.debug("setting does not exist here", { path });
    if (present === undefined || present === value || (only !== undefined && present !== only)) continue;
    await attempts.row(`setting ${path}`, async () => {
      try {
        await home.writeSysctl(path, value);
        repairs.push({ target: "setting", finding: "changed", what: path });
      } catch (error) {
        if (!isErrno(error, "EROFS", "EACCES", "EPERM")) throw error;
        logger.error("setting cannot be changed; let the agent write to /proc/sys, or set it by hand", {
          path,
          value,
          error: errorMessage(error),
        });
      }
    });
  }
  return repairs;
}
