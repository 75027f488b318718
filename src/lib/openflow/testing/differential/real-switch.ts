import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import type { Runtime } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { connectOpenFlow, type OpenFlowConnection } from "../../connection.ts";
import { parseFlow } from "../../flow.ts";
import { startPrivateSwitch } from "../private-switch.ts";

/** A frame that left by a port. */
export interface Emitted {
  readonly port: number;
  readonly frame: Uint8Array;
}

/**
 * Real Open vSwitch with ports that a test writes to and reads from: dummy devices, whose frames travel over Unix sockets. Its clock stands still, so that nothing
 * expires while a busy machine lets it wait (fragments after 15 s).
 */
export interface RealSwitch {
  readonly connection: OpenFlowConnection;
  /** Sends a frame into a port and tells what left the switch because of it. */
  inject(port: number, frame: Uint8Array): Promise<Emitted[]>;
  /** Waits for the switch once more, and tells what left it since. */
  settle(): Promise<Emitted[]>;
  /** Removes every flow and group, and forgets every connection. */
  clear(): Promise<void>;
  /** Makes flows that were just changed count for the next frame: the datapath forgets its cache. */
  refresh(): Promise<void>;
  /** The connections that the datapath tracks, a line each in `dpctl/dump-conntrack`'s words. */
  connections(): Promise<string[]>;
  appctl(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Frames with this EtherType (IEEE 802 local experimental) only tell how far the switch got: they leave by every port. */
const markerType = 0x88b5;

export async function startRealSwitch(runtime: Runtime, { ports }: { readonly ports: readonly number[] }): Promise<RealSwitch> {
  const ovs = await startPrivateSwitch();
  const sockets = new Map<number, Socket>();
  const emitted: Emitted[] = [];
  let markers = 0;
  let waiting: { readonly marker: number; readonly ports: Set<number>; readonly resolve: () => void } | undefined;
  const path = (port: number): string => join(ovs.directory, `port${port}.sock`);
  const stop = async (): Promise<void> => {
    for (const socket of sockets.values()) socket.destroy();
    await ovs.stop();
  };
  const received = (port: number, frame: Uint8Array): void => {
    const bytes = Buffer.from(frame);
    if (bytes.length < 18 || bytes.readUInt16BE(12) !== markerType) {
      emitted.push({ port, frame });
      return;
    }
    if (bytes.readUInt32BE(14) !== waiting?.marker) return;
    waiting.ports.delete(port);
    if (waiting.ports.size > 0) return;
    const { resolve } = waiting;
    waiting = undefined;
    resolve();
  };
  const send = (port: number, frame: Uint8Array): void => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(frame.length);
    sockets.get(port)?.write(Buffer.concat([length, frame]));
  };
  /** Sends a marker after what was sent into the port: a port's frames keep their order, so what the switch made of them is here when it left by every port. */
  const mark = async (port: number): Promise<void> => {
    const marker = ++markers;
    const frame = Buffer.alloc(60);
    frame.writeUInt16BE(markerType, 12);
    frame.writeUInt32BE(marker, 14);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`ovs-vswitchd did not forward a marker from port ${port}`)), amplePatience);
      waiting = {
        marker,
        ports: new Set(ports),
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      send(port, frame);
    });
  };
  const take = (): Emitted[] => emitted.splice(0);

  try {
    await ovs.vsctl(
      ...ports.flatMap((port) => [
        "--",
        "add-port",
        "br0",
        `p${port}`,
        "--",
        "set",
        "Interface",
        `p${port}`,
        "type=dummy",
        `ofport_request=${port}`,
        `options:pstream=punix:${path(port)}`,
      ]),
    );
    for (const port of ports) {
      const socket = createConnection(path(port));
      await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      socket.on("error", () => {});
      readFrames(socket, (frame) => received(port, frame));
      sockets.set(port, socket);
    }
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0") });
    const clear = async (): Promise<void> => {
      await connection.flows([{ command: "delete", flow: { table: 255, priority: 0, cookie: 0n, match: {}, actions: [] } }]);
      await connection.groups([{ command: "delete", group: "all" }]);
      await connection.meters([{ command: "delete", meter: "all" }]);
      await connection.flows([
        {
          command: "add",
          flow: parseFlow(`priority=65535,dl_type=0x${markerType.toString(16)} actions=${[...ports, "in_port"].join(",")}`),
        },
      ]);
      await ovs.appctl("dpctl/flush-conntrack");
      await ovs.appctl("fdb/flush", "br0");
      await refresh();
    };
    const refresh = async (): Promise<void> => {
      await ovs.appctl("revalidator/wait");
      await ovs.appctl("revalidator/purge");
      for (const port of ports) await mark(port);
      take();
    };
    await clear();
    await ovs.appctl("time/stop");
    const [first = 0] = ports;
    return {
      connection,
      async inject(port, frame) {
        send(port, frame);
        await mark(port);
        return take();
      },
      async settle() {
        await mark(first);
        await mark(first);
        return take();
      },
      clear,
      refresh,
      connections: async () =>
        (await ovs.appctl("dpctl/dump-conntrack", "-m"))
          .split("\n")
          .filter((line) => line !== "")
          .map(essence),
      appctl: (...args) => ovs.appctl(...args),
      async stop() {
        connection.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a line of `dpctl/dump-conntrack -m` says without what only that datapath has. */
function essence(line: string): string {
  return line
    .replace(/\),id=\d+/, ")")
    .replace(/,status=\w+/, "")
    .replace(/,timeout=\d+/, "")
    .replace(/protoinfo=\(state_orig=(\w+),state_reply=(\w+)[^)]*\)/, "protoinfo=(state_orig=$1,state_reply=$2)");
}

/** Frames on a dummy port's socket have their length in front, in two bytes. */
function readFrames(socket: Socket, received: (frame: Uint8Array) => void): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      received(Uint8Array.from(pending.subarray(2, end)));
      pending = pending.subarray(end);
    }
  });
}
