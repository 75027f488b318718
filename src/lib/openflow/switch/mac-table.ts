import { type Clock, minutes } from "#lib/runtime/index.ts";

/** How long an address is remembered without being seen, as by ovs-vswitchd. */
const aging = minutes(5);
/** Addresses remembered at most (Open vSwitch's `mac-table-size` default 8192). */
const mostAddresses = 8_192;

interface Place {
  readonly vlan: number;
  readonly mac: bigint;
}

/** Which port each address was last seen at: what NORMAL learns. */
export interface MacTable {
  learn(seen: Place & { readonly port: number }): void;
  find(place: Place): number | undefined;
}

/** `changed` hears that an address is new or moved. */
export function createMacTable({ clock, changed }: { clock: Clock; changed: () => void }): MacTable {
  const ports = new Map<string, { port: number; seen: number }>();
  const text = ({ vlan, mac }: Place): string => `${vlan}/${mac}`;
  return {
    learn({ vlan, mac, port }) {
      // A group address is never a sender.
      if ((mac >> 40n) & 1n) return;
      const key = text({ vlan, mac });
      const known = ports.get(key);
      if (known?.port === port) {
        known.seen = clock.monotonic();
        return;
      }
      if (ports.size >= mostAddresses) ports.delete(ports.keys().next().value ?? "");
      ports.set(key, { port, seen: clock.monotonic() });
      changed();
    },
    find(place) {
      const known = ports.get(text(place));
      return known !== undefined && clock.monotonic() < known.seen + aging ? known.port : undefined;
    },
  };
}
