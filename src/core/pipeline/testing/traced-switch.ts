import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import type { Flow, FlowMod } from "#lib/openflow/flow.ts";
import { addDummyPorts, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";

/** What real Open vSwitch would do with a packet. */
export interface Trace {
  /** OpenFlow port that the packet leaves by; `IN_PORT` when it goes back; undefined when it is dropped. */
  readonly port: string | undefined;
  /** The packet at its end, as ovs-ofctl prints it. */
  readonly final: string;
  /** All of `ofproto/trace`'s words. */
  readonly text: string;
}

/** A real switch without devices, that says what it would do. For tests. */
export interface TracedSwitch {
  /** Makes the switch's flows those of the ledger. */
  program(ledger: FlowLedger): Promise<void>;
  /** Traces a packet in ovs-ofctl's words; `states` are what the connection tracker says at each pass. Default: a new connection. */
  trace(packet: string, states?: readonly string[]): Promise<Trace>;
  /** Lets a packet, in the datapath's words without its in_port, come in by a port. Resolves when the flows that it taught are there. */
  receive(port: number, packet: string): Promise<void>;
  /** Deletes every flow that one of these covers. */
  remove(flows: readonly Flow[]): Promise<void>;
  stop(): Promise<void>;
}

/** Starts Open vSwitch with a bridge that has dummy ports of these numbers, and a Geneve port when `tunnel` is given. */
export async function startTracedSwitch(options: { readonly ports: readonly number[]; readonly tunnel?: number }): Promise<TracedSwitch> {
  const ovs = await startPrivateSwitch();
  const runtime = { ...systemRuntime(), logger: silentLogger };
  const tunnel =
    options.tunnel === undefined
      ? []
      : [
          "--",
          "add-port",
          "br0",
          "tun",
          "--",
          "set",
          "Interface",
          "tun",
          "type=geneve",
          "options:remote_ip=flow",
          "options:key=flow",
          `ofport_request=${options.tunnel}`,
        ];
  try {
    await ovs.vsctl(...addDummyPorts(options.ports), ...tunnel);
  } catch (error) {
    await ovs.stop();
    throw error;
  }
  const change = async (mods: readonly FlowMod[]): Promise<void> => {
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0") });
    try {
      await connection.flows(mods);
    } finally {
      connection.close();
    }
  };
  return {
    program: (ledger) =>
      change([
        { command: "delete", flow: { table: 255, priority: 0, cookie: 0n, match: {}, actions: [] } },
        ...[...ledger.flows()].map(([, flow]) => ({ command: "add", flow }) as const),
      ]),
    remove: (flows) => change(flows.map((flow) => ({ command: "delete", flow }))),
    async trace(packet, states = ["trk,new"]) {
      const text = await ovs.appctl("ofproto/trace", "br0", packet, ...states.flatMap((state) => ["--ct-next", state]));
      const output = /output port is (\d+)|output:(\d+)/.exec(text)?.slice(1);
      const port = text.includes("skipping output to input port") ? undefined : output?.find((number) => number !== undefined);
      const back = /\n\s+IN_PORT\n/.test(text);
      return { port: back ? "IN_PORT" : port, final: [...text.matchAll(/Final flow: (.*)/g)].at(-1)?.[1] ?? "", text };
    },
    async receive(port, packet) {
      await ovs.appctl("netdev-dummy/receive", `port${port}`, `in_port(1),${packet}`);
      await ovs.appctl("revalidator/wait");
    },
    stop: () => ovs.stop(),
  };
}
