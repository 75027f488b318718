import { milliseconds, type Random, seconds, type VirtualClock } from "#lib/runtime/index.ts";

/** One way, on an idle network of one site. */
const shortestWay = milliseconds(0.2);
/** Queues on the way add up to this. */
const mostQueueing = milliseconds(0.4);
/** A lost segment is sent again after this long (RFC 6298 §2.4 has a second, Linux 200 ms). */
const resend = milliseconds(200);
/** A connection that nothing gets through on ends after this long: 30 s of silence, then ten probes of TCP, one a second. */
const patience = seconds(40);

/** The network between hosts, under virtual time: delay, loss, partitions. What is sent on a connection arrives in order, or the connection ends. */
export interface SimNetwork {
  /** A connection's two directions. `broken` hears once when nothing gets through for too long, or somebody cuts it. */
  connect(options: { readonly from: string; readonly to: string; readonly broken: () => void }): SimConnection;
  /** Nothing gets from or to the host, or between it and another one alone, until {@link heal}. */
  isolate(host: string, from?: string): void;
  heal(host: string, from?: string): void;
  /** Ends every connection of the host, in the middle of what is being sent. */
  cut(host: string): void;
  /** Segments lost, of a thousand. */
  loss: number;
}

export interface SimConnection {
  /** Calls `arrive` after the time of the way, behind all that was sent in the same direction before. */
  send(direction: "there" | "back", arrive: () => void): void;
  /** No longer needed: nothing more arrives. */
  close(): void;
}

export function createNetwork({ clock, random }: { readonly clock: VirtualClock; readonly random: Random }): SimNetwork {
  interface Open {
    readonly from: string;
    readonly to: string;
    readonly broken: () => void;
    closed: boolean;
    readonly waiting: (() => void)[];
    readonly last: { there: number; back: number };
  }
  const isolated = new Set<string>();
  const open = new Set<Open>();
  const severed = new Set<string>();
  const isBlocked = ({ from, to }: Open): boolean =>
    from !== to && (isolated.has(from) || isolated.has(to) || (severed.size > 0 && severed.has(between(from, to))));
  const end = (connection: Open): void => {
    if (connection.closed) return;
    connection.closed = true;
    open.delete(connection);
    connection.broken();
  };
  const waitAtMost = (connection: Open): void => {
    clock.after(patience, () => {
      if (!connection.closed && isBlocked(connection)) end(connection);
    });
  };
  const network: SimNetwork = {
    loss: 0,
    connect({ from, to, broken }) {
      const connection: Open = { from, to, broken, closed: false, waiting: [], last: { there: 0, back: 0 } };
      open.add(connection);
      if (isBlocked(connection)) waitAtMost(connection);
      const send: SimConnection["send"] = (direction, arrive) => {
        if (connection.closed) return;
        if (isBlocked(connection)) {
          connection.waiting.push(() => send(direction, arrive));
          return;
        }
        const lost = network.loss > 0 && random.below(1_000) < network.loss;
        const way = shortestWay + (random.below(1_000) / 1_000) * mostQueueing + (lost ? resend : 0);
        const due = Math.max(clock.monotonic() + way, connection.last[direction]);
        connection.last[direction] = due;
        clock.after(due - clock.monotonic(), () => {
          if (!connection.closed) arrive();
        });
      };
      return {
        send,
        close() {
          connection.closed = true;
          open.delete(connection);
        },
      };
    },
    isolate(host, from) {
      const before = new Set([...open].filter(isBlocked));
      if (from === undefined) isolated.add(host);
      else severed.add(between(host, from));
      for (const connection of open) if (isBlocked(connection) && !before.has(connection)) waitAtMost(connection);
    },
    heal(host, from) {
      if (from === undefined) isolated.delete(host);
      else severed.delete(between(host, from));
      for (const connection of open) {
        if (isBlocked(connection) || connection.waiting.length === 0) continue;
        const waiting = connection.waiting.splice(0);
        // Both ends try again by growing waits: some time after the way is open.
        clock.after(random.below(resend), () => {
          for (const again of waiting) again();
        });
      }
    },
    cut(host) {
      for (const connection of [...open]) if (connection.from === host || connection.to === host) end(connection);
    },
  };
  return network;
}

const between = (one: string, other: string): string => (one < other ? `${one} ${other}` : `${other} ${one}`);
