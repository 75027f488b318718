import { hostMarkBit } from "#core/pipeline/host-mark.ts";
import { connectOpenFlow, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { PrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { onTestMachine } from "#lib/openflow/testing/test-machine.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };

/** Wires into ports of a bridge, their other ends in the hands of a test: it puts frames on them and hears what leaves by them. */
export interface Wires {
  /** Puts a frame on the wire to a port, as who is at its other end would; `marked` as what the node's own stack begins, on the kernel's datapath. */
  send(ofport: number, frame: Uint8Array, options?: { readonly marked?: boolean }): Promise<void>;
  /** Hears of every frame that leaves by a wire, and by which port. */
  onFrame(listener: (ofport: number, frame: Uint8Array) => void): void;
  close(): void;
}

export interface WiresOptions {
  readonly ovs: PrivateSwitch;
  readonly networkNamespace: string;
  readonly bridge: string;
  /** One of the switch's own for the other ends: what comes in by it goes to the test. */
  readonly gathers: string;
  /** Ports that wires lead to. */
  readonly ofports: readonly number[];
}

/** Lays a wire to each port. Each is a pair of devices, so that packets take the way of those that pods send. */
export async function layWires({ ovs, networkNamespace, bridge, gathers, ofports }: WiresOptions): Promise<Wires> {
  const wires = ofports.map((ofport) => ({ ofport, inside: `in${ofport}`, outside: `out${ofport}` }));
  const links = wires.flatMap(({ inside, outside }) => [
    `link add ${inside} type veth peer name ${outside}`,
    `link set ${inside} up`,
    `link set ${outside} up`,
  ]);
  // What the kernel says of its own accord on a new device would be heard, too.
  const script = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 && exec ip -batch -";
  await onTestMachine("ip", ["netns", "exec", networkNamespace, "sh", "-c", script], { input: `${links.join("\n")}\n` });
  const add = (to: string, device: string, ofport: number): string[] => [
    ...["--", "add-port", to, device],
    ...["--", "set", "Interface", device, `ofport_request=${ofport}`],
  ];
  await ovs.vsctl(...wires.flatMap(({ ofport, inside, outside }) => [...add(bridge, inside, ofport), ...add(gathers, outside, ofport)]));
  const connection: OpenFlowConnection = await connectOpenFlow({ runtime, path: ovs.management(gathers) });
  await connection.flows([{ command: "add", flow: { table: 0, priority: 0, cookie: 0n, match: {}, actions: [{ type: "controller" }] } }]);
  const mark = { type: "set_field", field: "pkt_mark", value: hostMarkBit } as const;
  return {
    async send(port, packet, { marked = false } = {}) {
      await connection.packetOut({ packet, actions: [...(marked ? [mark] : []), { type: "output", port }] });
    },
    onFrame(listener) {
      connection.onPacketIn(({ packet, metadata }) => listener(Number(metadata.in_port), packet));
    },
    close: () => connection.close(),
  };
}
