import type { OvsReplica } from "./bridge.ts";
import type { PodInterface } from "./local-ports.ts";

/**
 * Ports of pods that are being made. Their OpenFlow numbers are chosen here and asked of Open vSwitch (`ofport_request`), so that flows are made
 * beside the port and do not wait for it. A claim ends when the database shows the port with its number, or by {@link PortClaims.release}.
 */
export interface PortClaims {
  /** Chooses the number and makes the port known. Nobody else gets the number while the claim lasts. */
  claim(port: ClaimedPort): number;
  /** Ends the claim of a port that does not come, or goes. */
  release(interfaceName: string): void;
  rows(): Iterable<PodInterface>;
  onChange(listener: () => void): void;
}

export type ClaimedPort = Omit<PodInterface, "ofport" | "portUuid">;

/** Open vSwitch itself numbers ports without a request from 1 on; the bridge's own are from 32 768 on. */
export const podOfports = { first: 1_024, last: 32_767 } as const;

/** Numbers come back as late as possible: each claim looks onward from the one before. */
export function createPortClaims({ tables, onChange: onReplicaChange }: Pick<OvsReplica, "tables" | "onChange">): PortClaims {
  const claims = new Map<string, PodInterface>();
  const listeners = new Set<() => void>();
  let last: number = podOfports.first - 1;

  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const taken = (): ReadonlySet<number> => {
    const numbers = [...tables.Interface.rows()].flatMap(({ ofport, ofport_request }) => [ofport ?? 0, ofport_request ?? 0]);
    return new Set([...numbers, ...[...claims.values()].map(({ ofport }) => ofport)]);
  };
  const next = (): number => {
    const used = taken();
    // More pods than numbers cannot be: a node has some hundred. Open vSwitch would then choose.
    for (let step = 0; step <= podOfports.last - podOfports.first; step++) {
      last = last >= podOfports.last ? podOfports.first : last + 1;
      if (!used.has(last)) return last;
    }
    return last;
  };
  onReplicaChange(() => {
    for (const [name, { ofport }] of claims) {
      const [row] = tables.Interface.by("name", name);
      // With its number; which is another one where Open vSwitch could not give what was asked.
      if (row?.ofport_request === ofport && row.ofport !== undefined && row.ofport > 0) claims.delete(name);
    }
  });

  return {
    claim(port) {
      const ofport = next();
      claims.set(port.interfaceName, { ...port, ofport, portUuid: "" });
      tell();
      return ofport;
    },
    release(interfaceName) {
      if (claims.delete(interfaceName)) tell();
    },
    rows: () => claims.values(),
    onChange: (listener) => void listeners.add(listener),
  };
}
