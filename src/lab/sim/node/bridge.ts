import type { LocalPort } from "#core/pipeline/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { OpenFlowConnectionLost } from "#lib/openflow/errors.ts";
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
import { milliseconds, type Random, type VirtualClock } from "#lib/runtime/index.ts";
import type { SimProcess } from "../process.ts";

/** One way between two processes of a host. */
export const localWay = milliseconds(0.1);

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
      return Promise.resolve(throughSocket({ inner, process, clock, changing }));
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

/** The same connection with a socket in between: requests and answers take their time, and what a dead process asked for is answered to nobody. */
function throughSocket({
  inner,
  process,
  clock,
  changing,
}: {
  readonly inner: MemoryConnection;
  readonly process: SimProcess;
  readonly clock: VirtualClock;
  readonly changing: (when: "before" | "after") => void;
}): OpenFlowConnection {
  let gone: Error | undefined;
  const waiting = new Set<(reason: Error) => void>();
  const closed = new Promise<Error>((resolve) => {
    void inner.closed.then((reason) =>
      clock.after(localWay, () =>
        process.enter(() => {
          gone = reason;
          for (const reject of waiting) reject(reason);
          waiting.clear();
          resolve(reason);
        }),
      ),
    );
  });
  const call = <T>(run: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (gone !== undefined) return reject(gone);
      waiting.add(reject);
      const back = (settle: () => void): void =>
        void clock.after(localWay, () =>
          process.enter(() => {
            if (!waiting.delete(reject)) return;
            settle();
          }),
        );
      clock.after(localWay, () => {
        run().then(
          (value) => back(() => resolve(value)),
          (error: unknown) => {
            if (!(error instanceof OpenFlowConnectionLost)) back(() => reject(error));
          },
        );
      });
    });
  const heard =
    <T>(listener: (value: T) => void): ((value: T) => void) =>
    (value) =>
      void clock.after(localWay, () => process.enter(() => listener(value)));
  const change = async (run: () => Promise<void>): Promise<void> => {
    changing("before");
    await run();
    changing("after");
  };
  return {
    features: inner.features,
    ports: () => call(() => inner.ports()),
    dumpFlows: (filter) => oneByOne(() => call(async () => inner.flowsNow(filter))),
    countFlows: (filter) => call(() => inner.countFlows(filter)),
    flows: (mods, options) => call(() => change(() => inner.flows(mods, options))),
    change: (changes) => call(() => change(() => inner.change(changes))),
    groups: (mods) => call(() => change(() => inner.groups(mods))),
    dumpGroups: () => call(() => inner.dumpGroups()),
    meters: (mods) => call(() => inner.meters(mods)),
    dumpMeters: () => call(() => inner.dumpMeters()),
    mostMeters: () => call(() => inner.mostMeters()),
    tables: () => call(() => inner.tables()),
    barrier: () => call(() => inner.barrier()),
    onPacketIn: (listener) => inner.onPacketIn(heard(listener)),
    onPortStatus: (listener) => inner.onPortStatus(heard(listener)),
    onFlowRemoved: (listener) => inner.onFlowRemoved(heard(listener)),
    onRequestForward: (listener) => inner.onRequestForward(listener),
    packetOut: (packet) => call(() => inner.packetOut(packet)),
    resume: (packet) => call(() => inner.resume(packet)),
    async monitorFlows(monitor, listener) {
      const stop = await call(() => inner.monitorFlows(monitor, heard(listener)));
      return () => call(() => stop());
    },
    setAsync: (wanted) => call(() => inner.setAsync(wanted)),
    setControllerId: (id) => call(() => inner.setControllerId(id)),
    setRole: (role, generation) => call(() => inner.setRole(role, generation)),
    flushConnections: (which) => call(() => inner.flushConnections(which)),
    closed,
    close: () => inner.close(),
  };
}

/** The items of a list that comes as a whole. A generator would take several promises for each of them. */
function oneByOne<Item>(ask: () => Promise<Item[]>): AsyncIterable<Item> {
  return {
    [Symbol.asyncIterator]() {
      let items: Iterator<Item> | undefined;
      return {
        async next() {
          items ??= (await ask()).values();
          return items.next();
        },
      };
    },
  };
}

/** What a probe needs of a pod's port. */
export type ProbedPort = Pick<LocalPort, "ofport" | "mac" | "addresses">;
