/** What passed under a rule or a policy since its counting began. Whole numbers; exact up to 2^53. */
export interface Counters {
  /** Connections that an allowing rule admitted, packets that a denying one denied. */
  readonly sessions: number;
  readonly packets: number;
  /** As in the frames, with their headers. */
  readonly bytes: number;
}

export const noCounters: Counters = Object.freeze({ sessions: 0, packets: 0, bytes: 0 });

export const isNothing = ({ sessions, packets, bytes }: Counters): boolean => sessions === 0 && packets === 0 && bytes === 0;

export function plus(one: Counters, other: Counters): Counters {
  return { sessions: one.sessions + other.sessions, packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}
