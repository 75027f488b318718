import { PortRefused } from "../../errors.ts";
import type { PodPort, SwitchPorts } from "../switch-ports.ts";

/** The switch's ports in memory. `refuse` makes the next port fail, as an interface that Open vSwitch cannot open. */
/** `renumber` gives the next port another number than it claimed. */
export function memoryPorts(): SwitchPorts & { refuse: boolean; available: boolean; renumber: boolean; readonly claimed: Set<string> } {
  const rows = new Map<string, PodPort>();
  const claimed = new Set<string>();
  let lastNumber = 0;
  return {
    available: true,
    refuse: false,
    renumber: false,
    claimed,
    all: () => [...rows.values()],
    removed: (interfaceName) => !rows.has(interfaceName),
    claim({ interfaceName }) {
      claimed.add(interfaceName);
      return { ofport: ++lastNumber, release: () => void claimed.delete(interfaceName) };
    },
    async add(port) {
      if (this.refuse) throw new PortRefused("br-int", port.interfaceName, "could not open network device");
      const ofport = this.renumber ? port.ofport + 1_000 : port.ofport;
      claimed.delete(port.interfaceName);
      rows.set(port.interfaceName, { ...port, mac: String(port.mac), ofport });
      return ofport;
    },
    async remove(interfaceName) {
      claimed.delete(interfaceName);
      return rows.delete(interfaceName);
    },
  };
}
