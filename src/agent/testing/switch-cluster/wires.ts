import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { hostMarkBit } from "#core/pipeline/host-mark.ts";
import { connectOpenFlow, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { PrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";

const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };

/** A port of a bridge. */
export interface WireEnd {
  readonly bridge: string;
  readonly ofport: number;
}

/** Wires into ports of bridges, their other ends in the hands of a test: it puts frames on them and hears what leaves by them. */
export interface Wires {
  /** Puts a frame on the wire, as who is at its other end would; `marked` as what the node's own stack begins, on the kernel's datapath. */
  send(to: WireEnd, frame: Uint8Array, options?: { readonly marked?: boolean }): Promise<void>;
  /** Hears of every frame that leaves by a wire. */
  onFrame(listener: (from: WireEnd, frame: Uint8Array) => void): void;
  close(): void;
}

export interface WiresOptions {
  readonly ovs: PrivateSwitch;
  readonly networkNamespace: string;
  /** One of the switch's own for the other ends: what comes in by it goes to the test. */
  readonly gathers: string;
  readonly ends: readonly WireEnd[];
  /** Ports joined to each other by a wire that nobody listens to. */
  readonly joined?: readonly (readonly [WireEnd, WireEnd])[];
}

/** Lays a wire to each end. Each is a pair of devices, so that packets take the way of those that pods send. */
export async function layWires({ ovs, networkNamespace, gathers, ends, joined = [] }: WiresOptions): Promise<Wires> {
  const pairs = [...ends.map((end, index) => [end, { bridge: gathers, ofport: index + 1 }] as const), ...joined].map((pair, index) =>
    pair.map((end, side) => ({ ...end, device: `wire${index}${side === 0 ? "a" : "b"}` })),
  );
  const links = pairs.flatMap(([one, other]) => [
    `link add ${one?.device} type veth peer name ${other?.device}`,
    `link set ${one?.device} up`,
    `link set ${other?.device} up`,
  ]);
  const batch = join(ovs.directory, "links");
  await writeFile(batch, `${links.join("\n")}\n`);
  // What the kernel says of its own accord on a new device would be heard, too.
  await run("ip", ["netns", "exec", networkNamespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
  await run("ip", ["-n", networkNamespace, "-batch", batch]);
  await ovs.vsctl(
    ...pairs
      .flat()
      .flatMap(({ bridge, device, ofport }) => [
        "--",
        "add-port",
        bridge,
        device,
        "--",
        "set",
        "Interface",
        device,
        `ofport_request=${ofport}`,
      ]),
  );
  const connection: OpenFlowConnection = await connectOpenFlow({ runtime, path: ovs.management(gathers) });
  await connection.flows([{ command: "add", flow: { table: 0, priority: 0, cookie: 0n, match: {}, actions: [{ type: "controller" }] } }]);
  const numbers = new Map(ends.map((end, index) => [nameOf(end), index + 1]));
  const mark = { type: "set_field", field: "pkt_mark", value: hostMarkBit } as const;
  return {
    async send(to, packet, { marked = false } = {}) {
      const port = numbers.get(nameOf(to));
      if (port === undefined) throw new RangeError(`no wire leads to ${nameOf(to)}`);
      await connection.packetOut({ packet, actions: [...(marked ? [mark] : []), { type: "output", port }] });
    },
    onFrame(listener) {
      connection.onPacketIn(({ packet, metadata }) => {
        const end = ends[Number(metadata.in_port) - 1];
        if (end !== undefined) listener(end, packet);
      });
    },
    close: () => connection.close(),
  };
}

export const nameOf = ({ bridge, ofport }: WireEnd): string => `${bridge}/${ofport}`;
