import type { ControllerAction } from "#lib/openflow/action.ts";
import type { Meter } from "#lib/openflow/meter.ts";

/**
 * What the switch hands packets to the agent for. The number is the first byte of userdata and the id of the connection that such packets go to ({@link laneId}): each
 * kind has a queue of its own in the switch, so that a flood of one loses nothing of another. The meter is the kind's own for the same reason.
 */
export const packetInCategories = {
  /** A rule rejects the packet: its sender gets an answer. */
  reject: { number: 1, meter: 256 },
  /** A rule logs the connection. */
  auditLog: { number: 2, meter: 259 },
  /** An answer of DNS to a pod under a rule with names; the packet waits in the switch. */
  dns: { number: 3, meter: 258 },
  /** A Service without endpoints: its client gets an answer. The agent bounds these itself. */
  serviceReject: { number: 4, meter: undefined },
} as const;

export type PacketInCategory = keyof typeof packetInCategories;

/**
 * Connections that a category comes by, where one is not enough: Open vSwitch keeps 512 packets for each at most, and some 280 more are in its socket. Answers of DNS wait there while the agent is busy, and are not
 * sent again for seconds; eight are 1.5 s of 4 000 a second. Pods are spread over them.
 */
export const packetInLanes: Readonly<Record<PacketInCategory, number>> = { reject: 1, auditLog: 1, dns: 8, serviceReject: 1 };
/** The id of one of a category's connections, 16 bits. */
export const laneId = (category: PacketInCategory, lane = 0): number => packetInCategories[category].number + lane * 0x100;

export interface ToControllerOptions {
  /** Bound by the category's meter (see {@link compilePacketInMeters}), where the datapath has meters. Default false. */
  readonly metered?: boolean;
  /** The packet waits for the agent to resume it. Default false: the agent gets a copy. */
  readonly pause?: boolean;
  /** By which of the category's connections. Default the first. */
  readonly lane?: number;
}

/** Sends a packet to the agent. */
export function toController(
  category: PacketInCategory,
  { metered = false, pause = false, lane = 0 }: ToControllerOptions = {},
): ControllerAction {
  const { number, meter } = packetInCategories[category];
  return {
    type: "controller",
    id: laneId(category, lane),
    userdata: lane === 0 ? Uint8Array.of(number) : Uint8Array.of(number, lane),
    ...(pause ? { pause: true } : {}),
    ...(metered && meter !== undefined ? { meter } : {}),
  };
}

/** Of which category a packet is; undefined for one that no flow of ours sent. */
export const categoryOf = (userdata: Uint8Array | undefined): PacketInCategory | undefined => byNumber.get(userdata?.[0] ?? 0);

/** By which of its category's connections a packet comes. */
export const laneOf = (userdata: Uint8Array | undefined): number => userdata?.[1] ?? 0;

const byNumber: ReadonlyMap<number, PacketInCategory> = new Map(
  Object.entries(packetInCategories).map(([name, { number }]) => [number, name as PacketInCategory]),
);

/**
 * Packets of one pod pass a meter of that pod's before the category's, so that a pod that asks without end takes nothing of what is there for the others. Pods are told apart by
 * the last bits of their port's number, which Open vSwitch counts up: two share a meter where a node has more pods than meters, which every node has, and reads once a minute.
 */
const shares = { first: { dns: 0x1000, reject: 0x1040, auditLog: 0x1080 }, count: 64, part: 4 } as const;

export type SharedCategory = keyof (typeof shares)["first"];

/** Which bits of an OpenFlow port's number choose its meter. */
export const shareMask = shares.count - 1;
/** The meter of what the pod behind a port has handed over. */
export const shareMeter = (category: SharedCategory, ofport: number): number => shares.first[category] + (ofport & shareMask);

/**
 * The meters that bound what reaches the agent: `rate` packets a second of each category (`packetInRate`), twice as many at once, and of one pod a quarter
 * of that. None for a rate of 0.
 */
export function compilePacketInMeters(rate: number): readonly Meter[] {
  const known = metersOf.get(rate) ?? makeMeters(rate);
  metersOf.set(rate, known);
  return known;
}

/** By rate, of which a process has one: a cluster in memory has them once, not for each node. */
const metersOf = new Map<number, readonly Meter[]>();

function makeMeters(rate: number): readonly Meter[] {
  if (rate === 0) return [];
  const share = Math.ceil(rate / shares.part);
  return [
    ...Object.values(packetInCategories).flatMap(({ meter }) => (meter === undefined ? [] : [packetMeter(meter, rate)])),
    ...Object.values(shares.first).flatMap((first) =>
      Array.from({ length: shares.count }, (_, index) => packetMeter(first + index, share)),
    ),
  ];
}

const packetMeter = (meter: number, rate: number): Meter => ({
  meter,
  unit: "pktps",
  stats: true,
  bands: [{ type: "drop", rate, burst: 2 * rate }],
});
