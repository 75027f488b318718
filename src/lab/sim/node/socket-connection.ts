import type { BundledChange } from "#lib/openflow/bundle.ts";
import type {
  AsyncMessages,
  FlowAggregate,
  FlowFilter,
  FlowMonitorOptions,
  FlowOptions,
  FlowRemoved,
  FlowUpdate,
  FlushedConnections,
  OpenFlowConnection,
  PacketIn,
  PacketOut,
  PortDescription,
  PortStatus,
  Role,
  SwitchFeatures,
  TableStats,
} from "#lib/openflow/connection.ts";
import { OpenFlowConnectionLost } from "#lib/openflow/errors.ts";
import type { FlowEntry, FlowMod } from "#lib/openflow/flow.ts";
import type { Group, GroupMod } from "#lib/openflow/group.ts";
import type { Meter, MeterMod } from "#lib/openflow/meter.ts";
import type { MemoryConnection } from "#lib/openflow/switch/index.ts";
import type { VirtualClock } from "#lib/runtime/index.ts";
import type { SimProcess } from "../process.ts";
import { LocalWay } from "./local-way.ts";

/**
 * The same connection with a socket in between: requests and answers take their time, and what a dead process asked for is answered to nobody. A class,
 * as each agent has fifteen: a function of its own for each call would be 2 kB more.
 */
export class SocketConnection implements OpenFlowConnection {
  readonly features: SwitchFeatures;
  readonly closed: Promise<Error>;
  readonly #inner: MemoryConnection;
  readonly #process: SimProcess;
  readonly #toSwitch: LocalWay;
  readonly #toProcess: LocalWay;
  readonly #changing: (when: "before" | "after") => void;
  readonly #waiting = new Set<(reason: Error) => void>();
  #gone: Error | undefined;

  constructor(options: {
    readonly inner: MemoryConnection;
    readonly process: SimProcess;
    readonly clock: VirtualClock;
    readonly changing: (when: "before" | "after") => void;
  }) {
    const { inner, process, clock, changing } = options;
    this.features = inner.features;
    this.#inner = inner;
    this.#process = process;
    this.#toSwitch = new LocalWay(clock);
    this.#toProcess = new LocalWay(clock);
    this.#changing = changing;
    this.closed = new Promise((resolve) => {
      void inner.closed.then((reason) => this.#back(() => resolve(this.#end(reason))));
    });
  }

  ports(): Promise<PortDescription[]> {
    return this.#call(() => this.#inner.ports());
  }
  dumpFlows(filter?: FlowFilter): AsyncIterable<FlowEntry> {
    return oneByOne(() => this.#call(async () => this.#inner.flowsNow(filter)));
  }
  countFlows(filter?: FlowFilter): Promise<FlowAggregate> {
    return this.#call(() => this.#inner.countFlows(filter));
  }
  flows(mods: readonly FlowMod[], options?: FlowOptions): Promise<void> {
    return this.#change(() => this.#inner.flows(mods, options));
  }
  change(changes: readonly BundledChange[]): Promise<void> {
    return this.#change(() => this.#inner.change(changes));
  }
  groups(mods: readonly GroupMod[]): Promise<void> {
    return this.#change(() => this.#inner.groups(mods));
  }
  dumpGroups(): Promise<Group[]> {
    return this.#call(() => this.#inner.dumpGroups());
  }
  meters(mods: readonly MeterMod[]): Promise<void> {
    return this.#call(() => this.#inner.meters(mods));
  }
  dumpMeters(): Promise<Meter[]> {
    return this.#call(() => this.#inner.dumpMeters());
  }
  mostMeters(): Promise<number> {
    return this.#call(() => this.#inner.mostMeters());
  }
  tables(): Promise<TableStats[]> {
    return this.#call(() => this.#inner.tables());
  }
  barrier(): Promise<void> {
    return this.#call(() => this.#inner.barrier());
  }
  onPacketIn(listener: (packet: PacketIn) => void): () => void {
    return this.#inner.onPacketIn(this.#heard(listener));
  }
  onPortStatus(listener: (status: PortStatus) => void): () => void {
    return this.#inner.onPortStatus(this.#heard(listener));
  }
  onFlowRemoved(listener: (removed: FlowRemoved) => void): () => void {
    return this.#inner.onFlowRemoved(this.#heard(listener));
  }
  onRequestForward(listener: () => void): () => void {
    return this.#inner.onRequestForward(listener);
  }
  packetOut(packet: PacketOut): Promise<void> {
    return this.#call(() => this.#inner.packetOut(packet));
  }
  resume(packet: PacketIn & { readonly continuation: Uint8Array }): Promise<void> {
    return this.#call(() => this.#inner.resume(packet));
  }
  async monitorFlows(monitor: FlowMonitorOptions, listener: (update: FlowUpdate) => void): Promise<() => Promise<void>> {
    const stop = await this.#call(() => this.#inner.monitorFlows(monitor, this.#heard(listener)));
    return () => this.#call(() => stop());
  }
  setAsync(wanted: AsyncMessages): Promise<void> {
    return this.#call(() => this.#inner.setAsync(wanted));
  }
  setControllerId(id: number): Promise<void> {
    return this.#call(() => this.#inner.setControllerId(id));
  }
  setRole(role: Role, generation?: bigint): Promise<void> {
    return this.#call(() => this.#inner.setRole(role, generation));
  }
  flushConnections(which: FlushedConnections): Promise<void> {
    return this.#call(() => this.#inner.flushConnections(which));
  }
  close(): void {
    this.#inner.close();
  }

  #end(reason: Error): Error {
    this.#gone = reason;
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
    return reason;
  }

  /** Something comes to the process. */
  #back(run: () => void): void {
    this.#toProcess.send(() => this.#process.enter(run));
  }

  #call<Answer>(run: () => Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone);
      this.#waiting.add(reject);
      const settle = (end: () => void): void =>
        this.#back(() => {
          if (this.#waiting.delete(reject)) end();
        });
      this.#toSwitch.send(() => {
        run().then(
          (value) => settle(() => resolve(value)),
          (error: unknown) => {
            if (!(error instanceof OpenFlowConnectionLost)) settle(() => reject(error));
          },
        );
      });
    });
  }

  #change(run: () => Promise<void>): Promise<void> {
    return this.#call(async () => {
      this.#changing("before");
      await run();
      this.#changing("after");
    });
  }

  #heard<Value>(listener: (value: Value) => void): (value: Value) => void {
    return (value) => this.#back(() => listener(value));
  }
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
