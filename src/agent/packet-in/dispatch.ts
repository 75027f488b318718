import { categoryOf, laneId, laneOf, type PacketInCategory, packetInLanes } from "#core/pipeline/packet-in/index.ts";
import type { OpenFlowConnection, PacketIn } from "#lib/openflow/connection.ts";
import { errorMessage, milliseconds, type Runtime } from "#lib/runtime/index.ts";
import { keepConnected } from "../ovs/keep-connected.ts";
import { type Allowance, createAllowance } from "./allowance.ts";
import { createFairQueue, type FairQueueLimits } from "./fair-queue.ts";

/** What dealing with packets needs of a connection. */
export type PacketInSwitch = Pick<OpenFlowConnection, "setControllerId" | "onPacketIn" | "packetOut" | "resume" | "closed" | "close">;

/** What a category's packets came to. */
export interface PacketInFigures {
  readonly connected: boolean;
  readonly handled: number;
  /** Lost as their sender had too many waiting, or all together. */
  readonly overflowed: number;
  /** Lost as the category had used up what it is allowed. */
  readonly overAllowance: number;
  /** Those that their handler failed at. */
  readonly failed: number;
  readonly waiting: number;
}

export interface PacketInOptions {
  readonly runtime: Runtime;
  readonly category: PacketInCategory;
  readonly connect: (signal: AbortSignal) => Promise<PacketInSwitch>;
  /** Deals with one packet. What it does later it sends over the same connection, which may be gone by then. */
  readonly handle: (
    packet: PacketIn,
    connection: PacketInSwitch,
    arrival: { /** Monotonic, milliseconds. */ readonly receivedAt: number },
  ) => void;
  /** Whose packet it is, to be fair to: an OpenFlow port. Default the port it came in by. */
  readonly senderOf?: (packet: PacketIn) => number;
  readonly limits: FairQueueLimits;
  readonly allowance: Allowance;
  /** Hears when packets can come by all of the category's connections, and when they cannot any more. */
  readonly onConnected?: (connected: boolean) => void;
  readonly signal: AbortSignal;
}

/** How long packets are dealt with before the rest of the agent has its turn. */
const turn = milliseconds(4);

/**
 * Deals with the packets of one category for as long as `signal` lets it, over connections of its own: senders in turn, bounded in number and by the
 * allowance, and never for longer than {@link turn} at a stretch. What is lost is counted, and nothing of another category is lost for it.
 */
export function dispatchPacketIns(options: PacketInOptions): { readonly figures: () => PacketInFigures } {
  const { runtime, category, connect, handle, senderOf = inPort, limits, signal } = options;
  const { clock } = runtime;
  const logger = runtime.logger.with({ component: "packet-in", category });
  const queue = createFairQueue<Arrival>(limits);
  const allowance = createAllowance(options.allowance, clock);
  const counts = { handled: 0, overflowed: 0, overAllowance: 0, failed: 0 };
  const lanes = packetInLanes[category];
  const lanesThere = new Set<number>();
  let connected = false;
  const setConnected = (lane: number, there: boolean): void => {
    if (there) lanesThere.add(lane);
    else lanesThere.delete(lane);
    const now = lanesThere.size === lanes;
    if (now === connected) return;
    connected = now;
    options.onConnected?.(now);
  };
  let due = false;

  const work = (): void => {
    due = false;
    const end = clock.monotonic() + turn;
    for (let next = queue.take(); next !== undefined; next = queue.take()) {
      const began = clock.monotonic();
      if (!allowance.admits()) counts.overAllowance++;
      else {
        try {
          handle(next.packet, next.connection, next);
          counts.handled++;
        } catch (error) {
          counts.failed++;
          logger.debug("a packet could not be dealt with", { error: errorMessage(error) });
        }
        const now = clock.monotonic();
        allowance.spent(now - began);
        if (now >= end) break;
      }
    }
    if (queue.size > 0) schedule();
  };
  const schedule = (): void => {
    if (due || signal.aborted) return;
    due = true;
    clock.soon(work);
  };
  for (let lane = 0; lane < lanes; lane++)
    keepConnected({
      runtime,
      connect,
      signal,
      onLost(error) {
        setConnected(lane, false);
        logger.debug("no connection for packets of this category", { error: errorMessage(error) });
      },
      async serve(connection) {
        connection.onPacketIn((packet) => {
          if (categoryOf(packet.userdata) !== category || laneOf(packet.userdata) !== lane) return;
          if (queue.push(senderOf(packet), { packet, connection, receivedAt: clock.monotonic() }) !== undefined) counts.overflowed++;
          schedule();
        });
        await connection.setControllerId(laneId(category, lane));
        setConnected(lane, true);
      },
    });
  return { figures: () => ({ connected, ...counts, waiting: queue.size }) };
}

interface Arrival {
  readonly packet: PacketIn;
  readonly connection: PacketInSwitch;
  readonly receivedAt: number;
}

function inPort({ metadata }: PacketIn): number {
  return typeof metadata.in_port === "bigint" ? Number(metadata.in_port) : 0;
}
