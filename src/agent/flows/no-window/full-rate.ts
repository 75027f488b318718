import type { World } from "#core/policy/cases/reference.ts";
import type { LocalPort } from "#core/pipeline/index.ts";
import { type FrameSocket, openFrameSocket } from "#lib/netlink/testing/frame-socket.ts";
import { type FrameTemplate, frameTemplate, readFrame, verdictsBetween, type Way, waysBetween } from "./ways.ts";

/** Packets of a sender that may be on their way: what is above would be lost in the switch's own buffers. */
const window = 128;
/** The switch takes at most 32 packets at once and may reorder those; what is so much older than one that came is not on its way any more. */
const reordering = 64;
/** One packet in so many is of an established connection. */
const establishedShare = 4;
const establishedPorts = { asker: 7_000, answerer: 7_777 } as const;
const sourcePorts = { first: 10_000, last: 65_000 } as const;
/** Nothing of a sender comes through, established connections neither, for so long. Far above what a busy machine does to the switch. */
const stuckMs = 20_000;

/** What must become of a packet: `either` while a change is under way that changes its verdict. */
type Fate = "arrives" | "ends" | "either";

interface SentPacket {
  readonly title: string;
  fate: Fate;
  /** What a change that begins while the packet is on its way may make of it; undefined of established connections. */
  readonly way: Way | undefined;
}

interface Sender {
  readonly pod: LocalPort;
  readonly socket: FrameSocket;
  readonly ways: readonly { readonly way: Way; readonly template: FrameTemplate }[];
  readonly established: readonly { readonly title: string; readonly template: FrameTemplate; readonly sourcePort: number }[];
  /** Numbers of packets in order of sending, without those that are settled. */
  readonly underWay: Map<number, SentPacket>;
  next: number;
  /** The highest number that has come through. */
  confirmed: number;
  confirmedAt: number;
  /** Whose turn it is, of the ways and of the established connections. */
  readonly turns: { ways: number; established: number };
  sourcePort: number;
}

export interface Traffic {
  /** Says that a change begins: until {@link inForce} both verdicts are right, for what is on its way now too. */
  changing(to: World): void;
  inForce(): void;
  /** Waits until packets sent from now on have come through. */
  passes(): Promise<void>;
  /** Packets that met neither the old nor the new verdict, in the order of their discovery. */
  readonly violations: readonly string[];
  readonly counts: { readonly sent: number; readonly arrived: number; readonly mayEnd: number };
  stop(): void;
}

/**
 * Sends as fast as packets come through: from each pod to each other one, both families, by new connections (each packet a new five-tuple) and by
 * established ones in both directions. Everything is open when it begins.
 */
export function startTraffic({
  pods,
  world,
  inParts = false,
}: {
  readonly pods: readonly { readonly port: LocalPort; readonly networkNamespace: string }[];
  readonly world: World;
  /** Changes come in several bundles. */
  readonly inParts?: boolean;
}): Traffic {
  const ways = waysBetween(pods.map(({ port }) => port));
  const pairs = ways.filter(({ port }, _, all) => port === all[0]?.port);
  const senders = pods.map(({ port: pod, networkNamespace }): Sender => {
    const own = ways.filter(({ from }) => from === pod);
    return {
      pod,
      socket: openFrameSocket({ networkNamespace: `/run/netns/${networkNamespace}`, link: "eth0" }),
      ways: own.map((way) => ({ way, template: frameTemplate(way) })),
      established: pairs.flatMap((way) => [
        ...(way.from === pod
          ? [
              {
                title: `asker of ${way.title}`,
                template: frameTemplate({ ...way, port: establishedPorts.answerer }),
                sourcePort: establishedPorts.asker,
              },
            ]
          : []),
        ...(way.to === pod
          ? [
              {
                title: `answerer of ${way.title}`,
                template: frameTemplate({
                  from: way.to,
                  to: way.from,
                  source: way.destination,
                  destination: way.source,
                  port: establishedPorts.asker,
                }),
                sourcePort: establishedPorts.answerer,
              },
            ]
          : []),
      ]),
      underWay: new Map(),
      next: 1,
      confirmed: 0,
      confirmedAt: performance.now(),
      turns: { ways: 0, established: 0 },
      sourcePort: sourcePorts.first,
    };
  });
  const violations: string[] = [];
  const counts = { sent: 0, arrived: 0, mayEnd: 0 };
  const fatesBetween = (before: World, after: World): ReadonlyMap<Way, Fate> =>
    new Map(
      ways.map((way) => {
        const verdicts = verdictsBetween(before, after, way, { inParts: inParts && before !== after });
        return [way, verdicts.size > 1 ? "either" : verdicts.has(true) ? "arrives" : "ends"];
      }),
    );
  let now = world;
  let next = world;
  let fates = fatesBetween(now, next);
  let stopped = false;

  const fateOf = (way: Way): Fate => fates.get(way) ?? "either";
  const complain = (what: string): void => void (violations.length < 20 && violations.push(what));

  const send = (from: Sender, index: number): void => {
    const sender = senders.indexOf(from);
    const number = from.next++;
    counts.sent++;
    const isEstablished = index % establishedShare === 0;
    if (isEstablished) {
      const flow = from.established[from.turns.established++ % from.established.length];
      if (flow === undefined) return;
      from.underWay.set(number, { title: flow.title, fate: "arrives", way: undefined });
      from.socket.send(flow.template.with(flow.sourcePort, sender, number));
      return;
    }
    const chosen = from.ways[from.turns.ways++ % from.ways.length];
    if (chosen === undefined) return;
    const { way, template } = chosen;
    from.sourcePort = from.sourcePort >= sourcePorts.last ? sourcePorts.first : from.sourcePort + 1;
    const fate = fateOf(way);
    if (fate !== "arrives") counts.mayEnd++;
    from.underWay.set(number, { title: way.title, fate, way });
    from.socket.send(template.with(from.sourcePort, sender, number));
  };
  const sweep = (): void => {
    for (const { socket } of senders)
      for (let frame = socket.receive(); frame !== undefined; frame = socket.receive()) {
        const read = readFrame(frame);
        const from = read === undefined ? undefined : senders[read.sender];
        if (read === undefined || from === undefined) continue;
        counts.arrived++;
        const packet = from.underWay.get(read.number);
        if (packet?.fate === "ends") complain(`${packet.title} arrives, but it is forbidden`);
        if (packet === undefined) complain(`packet ${read.number} of ${from.pod.podName} arrives out of its time`);
        from.underWay.delete(read.number);
        if (read.number > from.confirmed) from.confirmed = read.number;
        from.confirmedAt = performance.now();
      }
  };
  /** What is older than what had come before the last look has met its fate. */
  const settle = (from: Sender, confirmed: number): void => {
    for (const [number, { fate, title }] of from.underWay) {
      if (number > confirmed - reordering) return;
      from.underWay.delete(number);
      if (fate === "arrives") complain(`${title} ends, but it is allowed`);
    }
  };
  const pump = (): void => {
    if (stopped) return;
    const seen = senders.map(({ confirmed }) => confirmed);
    for (const from of senders) {
      for (let count = 0; count < window / 2 && from.next - from.confirmed < window; count++) send(from, from.next);
      if (performance.now() - from.confirmedAt > stuckMs) {
        complain(`nothing that ${from.pod.podName} sends arrives, of established connections neither`);
        from.confirmedAt = performance.now();
      }
    }
    sweep();
    for (const [index, from] of senders.entries()) settle(from, seen[index] ?? 0);
    setImmediate(pump);
  };
  pump();

  return {
    changing(to) {
      next = to;
      fates = fatesBetween(now, next);
      for (const { underWay } of senders)
        for (const packet of underWay.values())
          if (packet.way !== undefined && packet.fate !== "either") packet.fate = fateOf(packet.way) === "either" ? "either" : packet.fate;
    },
    inForce() {
      now = next;
      fates = fatesBetween(now, now);
    },
    async passes() {
      const marks = senders.map(({ next }) => next);
      const since = performance.now();
      while (senders.some(({ confirmed }, index) => confirmed < (marks[index] ?? 0) + reordering) && performance.now() - since < stuckMs)
        await new Promise((resolve) => setImmediate(resolve));
    },
    violations,
    counts,
    stop() {
      stopped = true;
      for (const { socket } of senders) socket.close();
    },
  };
}
