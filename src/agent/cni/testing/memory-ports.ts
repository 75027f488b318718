import { PortRefused } from "../../errors.ts";
import type { PodPort, SwitchPorts } from "../switch-ports.ts";

/** The switch's ports in memory. `refuse` makes the next port fail, as an interface that Open vSwitch cannot open. */
export function memoryPorts(): SwitchPorts & { refuse: boolean; available: boolean } {
  const rows = new Map<string, PodPort>();
  let lastNumber = 0;
  return {
    available: true,
    refuse: false,
    all: () => [...rows.values()],
    async add(port) {
      if (this.refuse) throw new PortRefused("br-int", port.interfaceName, "could not open network device");
      const ofport = ++lastNumber;
      rows.set(port.interfaceName, { ...port, mac: String(port.mac), ofport });
      return ofport;
    },
    remove: async (interfaceName) => rows.delete(interfaceName),
  };
}
