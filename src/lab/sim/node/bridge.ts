import type { LocalPort } from "#core/pipeline/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import {
  createMemorySwitch,
  memoryConnection,
  type MemoryConnection,
  type MemorySwitch,
  type Processed,
  type ReceivedPacket,
  type SentPacket,
  type SwitchPort,
  type TableEntry,
} from "#lib/openflow/switch/index.ts";
import { createMemoryDatabase, type MemoryDatabase, type OpenVSwitch, openVSwitch, type StoredRow } from "#lib/ovsdb/index.ts";
import type { Random, VirtualClock } from "#lib/runtime/index.ts";
import type { SimProcess } from "../process.ts";
import { localWay } from "./local-way.ts";
import { SocketConnection } from "./socket-connection.ts";

/** Open vSwitch of a node: the database, and a switch in memory whose ports are what the database says. Outlives the agent. */
export interface SimBridge {
  readonly database: MemoryDatabase<OpenVSwitch>;
  readonly memory: MemorySwitch;
  /** What is in the tables now. */
  entries(): readonly TableEntry[];
  /** True while packets are held back until the agent says that the flows are complete. */
  readonly holdsBack: boolean;
  /** A packet comes to the switch; what of it is for controllers, the agent gets. */
  receive(packet: ReceivedPacket): Processed;
  /** Hears what comes of packets that the agent sends. */
  onSent(listener: (outputs: readonly SentPacket[]) => void): () => void;
  connect(process: SimProcess): Promise<OpenFlowConnection>;
  /** Ends the connections of everybody. */
  loseConnections(): void;
  /** As a crash of ovs-vswitchd that its supervisor answers: flows and tracked connections are gone. */
  restart(): void;
  /** Number of the port of that name. */
  portNumber(name: string): number | undefined;
}

export interface SimBridgeOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly tables: number;
  /** Hears before and after each bundle of changes takes effect. */
  readonly changing: (when: "before" | "after") => void;
}

export function createBridge({ clock, random, tables, changing }: SimBridgeOptions): SimBridge {
  const database = createMemoryDatabase({ database: openVSwitch, random, roots: ["Open_vSwitch"] });
  const newSwitch = (): MemorySwitch => createMemorySwitch({ clock, random, ports: [], tables });
  let memory = newSwitch();
  const connections = new Set<MemoryConnection>();
  const sentListeners = new Set<(outputs: readonly SentPacket[]) => void>();
  let numbers = new Map<string, number>();
  let nextNumber = 1;
  database.transact([{ op: "insert", table: "Open_vSwitch", row: {} }]);

  const holdsBack = (): boolean =>
    [...database.rows("Open_vSwitch")].some(({ other_config }) => (other_config as ReadonlyMap<string, string>).has("flow-restore-wait"));
  /** What vswitchd does with the database: numbers for interfaces, ports of the switch. */
  const configure = (): void => {
    const interfaces = new Map([...database.rows("Interface")].map((row) => [row.uuid, row]));
    const onBridge = new Set([...database.rows("Bridge")].flatMap(({ ports }) => ports as readonly string[]));
    const wanted: StoredRow[] = [...database.rows("Port")]
      .filter(({ uuid }) => onBridge.has(uuid))
      .flatMap(({ interfaces: uuids }) => (uuids as readonly string[]).flatMap((uuid) => interfaces.get(uuid) ?? []));
    const taken = new Set(wanted.flatMap(({ ofport }) => (typeof ofport === "number" ? [ofport] : [])));
    const now = new Map<string, number>();
    const ports: SwitchPort[] = [];
    const updates = [];
    for (const { uuid, name, ofport, ofport_request: asked, type } of wanted) {
      let number = typeof ofport === "number" ? ofport : undefined;
      if (number === undefined) {
        number = typeof asked === "number" && !taken.has(asked) ? asked : undefined;
        while (number === undefined || (number !== asked && taken.has(number))) number = nextNumber++;
        taken.add(number);
        updates.push({ op: "update", table: "Interface", where: [["_uuid", "==", uuid]], row: { ofport: number } } as const);
      }
      now.set(String(name), number);
      ports.push({ number, name: String(name), ...(type === "geneve" ? { tunnel: true as const } : {}) });
    }
    const before = numbers;
    numbers = now;
    memory.setPorts(ports);
    if (updates.length > 0) database.transact(updates);
    for (const { number, name = "" } of ports)
      if (before.get(name) !== number && typeof number === "number")
        for (const connection of connections)
          void connection.ports().then((all) => {
            const port = all.find((each) => each.name === name);
            if (port !== undefined) connection.announce({ reason: "add", port });
          });
  };
  let scheduled = false;
  database.onCommit(() => {
    if (scheduled) return;
    scheduled = true;
    clock.after(localWay, () => {
      scheduled = false;
      configure();
    });
  });

  return {
    database,
    get memory() {
      return memory;
    },
    entries() {
      memory.rules.expire();
      return [...memory.rules.entries()];
    },
    get holdsBack() {
      return holdsBack();
    },
    receive(packet) {
      const processed = memory.process(packet);
      for (const connection of [...connections]) connection.deliver(processed);
      return processed;
    },
    onSent(listener) {
      sentListeners.add(listener);
      return () => void sentListeners.delete(listener);
    },
    connect(process) {
      const onSent = ({ outputs }: Processed): void => {
        for (const listener of [...sentListeners]) listener(outputs);
      };
      const inner = memoryConnection(memory, { clock, onSent });
      connections.add(inner);
      const forget = process.onDeath(() => inner.close());
      void inner.closed.then(() => {
        connections.delete(inner);
        forget();
      });
      return Promise.resolve(new SocketConnection({ inner, process, clock, changing }));
    },
    loseConnections() {
      for (const connection of [...connections]) connection.close();
    },
    restart() {
      for (const connection of [...connections]) connection.close();
      const ports = memory.ports;
      memory = newSwitch();
      memory.setPorts(ports);
      const [row] = database.rows("Open_vSwitch");
      const config = new Map(row?.other_config as ReadonlyMap<string, string>).set("flow-restore-wait", "true");
      database.transact([{ op: "update", table: "Open_vSwitch", where: [], row: { other_config: config } }]);
    },
    portNumber: (name) => numbers.get(name),
  };
}

/** What a probe needs of a pod's port. */
export type ProbedPort = Pick<LocalPort, "ofport" | "mac" | "addresses">;
