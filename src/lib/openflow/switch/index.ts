export type { TrackedConnection, TrackedSide } from "./conntrack/tracker.ts";
export {
  createMemorySwitch,
  type MemorySwitch,
  type MemorySwitchOptions,
  type Processed,
  type ProcessOptions,
  type ReceivedPacket,
  type SentPacket,
  type SwitchPort,
} from "./memory-switch.ts";
export type { TableEntry } from "./table-entry.ts";
export type { Tunnel } from "./packet.ts";
export { type MemoryConnection, type MemoryConnectionOptions, memoryConnection } from "./memory-connection.ts";
