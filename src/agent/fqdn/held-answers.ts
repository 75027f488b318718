import { answersOf, createTcpStreams, type FqdnCache, type FqdnPatch, type TcpStreams, tcpStreamLimits } from "#core/fqdn/index.ts";
import type { LocalPort } from "#core/pipeline/index.ts";
import { registers } from "#core/pipeline/registers.ts";
import { decodeMessage } from "#lib/dns/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { PacketIn } from "#lib/openflow/connection.ts";
import { decodeFrame, type Ipv4Packet, type Ipv6Packet } from "#lib/packet/index.ts";
import { type Duration, errorMessage, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { PacketInSwitch } from "../packet-in/index.ts";
import type { ForceGate } from "./force-gate.ts";

/** How long an answer waits for the rules of its addresses if nothing else is said: shorter than the time after which a client asks again. */
export const holdLimit = seconds(2);
/** Answers that wait at one time, each a packet and a timer: all that `packetInRate` (5 000 by default) lets come in the 2 s that one may wait, and what it lets come at once. */
const heldAtMost = 20_000;

/** What became of the answers that pods were sent. */
export interface AnswerFigures {
  /** Answers about names of rules. */
  readonly learned: number;
  /** Those of them that had to wait for the switch. */
  readonly held: number;
  /** Released after {@link holdLimit}, as only rules that allow name them. */
  readonly released: number;
  /** Dropped after {@link holdLimit}, as a rule that denies names them: the client asks again. */
  readonly dropped: number;
  /** No DNS, or broken: dropped while a rule denies names, let through otherwise. */
  readonly unreadable: number;
  /** From servers that are not believed: let through, not learned from. */
  readonly untrusted: number;
}

export interface HeldAnswersOptions {
  readonly runtime: Runtime;
  readonly cache: FqdnCache;
  /** Hands patches of sets on to the compiler. */
  readonly apply: (patches: readonly FqdnPatch[]) => void;
  readonly gate: ForceGate;
  /** The pod behind a port. */
  readonly podOf: (ofport: number) => Pick<LocalPort, "podNamespace" | "podName"> | undefined;
  /** Whether some rule denies names. */
  readonly denies: () => boolean;
  /** Whether answers of this address are believed: a pod could serve itself whatever names it likes. Default all. */
  readonly trusts?: (server: IpAddress) => boolean;
  readonly inUse?: (address: IpAddress) => boolean;
  /** How long an answer may wait. Default {@link holdLimit}. */
  readonly holdFor?: Duration | undefined;
}

/** Deals with answers of DNS on their way to pods. */
export interface HeldAnswers {
  /** `receivedAt` is when the agent got the packet: waiting for its turn counts. */
  handle(packet: PacketIn, connection: PacketInSwitch, arrival: { readonly receivedAt: number }): void;
  figures(): AnswerFigures;
}

/**
 * An answer goes on when the rules know its addresses: at once when they did already, else when the switch has them, at most {@link holdLimit} later.
 * Over TCP what waits is the segment that completes an answer; those before it go on, as without it they are no answer.
 */
export function createHeldAnswers(options: HeldAnswersOptions): HeldAnswers {
  const { runtime, cache, apply, gate, podOf, denies, trusts = () => true, inUse, holdFor = holdLimit } = options;
  const logger = runtime.logger.with({ component: "fqdn" });
  const streams = createTcpStreams();
  const counts = { learned: 0, held: 0, released: 0, dropped: 0, unreadable: 0, untrusted: 0 };
  /** What the last answers over a TCP connection wait for: a segment that is sent again must not carry them past it. */
  const unsettled = new Map<string, { readonly revision: number; readonly denied: boolean }>();
  let waiting = 0;

  const release = (packet: PacketIn, connection: PacketInSwitch): void => {
    const { continuation } = packet;
    if (continuation === undefined) return;
    connection
      .resume({ ...packet, continuation })
      .catch((error: unknown) => logger.debug("cannot let an answer of DNS go on", { error: errorMessage(error) }));
  };
  const tooLate = (denied: boolean, goOn: () => void): void => {
    if (denied) counts.dropped++;
    else {
      counts.released++;
      goOn();
    }
  };
  const hold = (answer: { readonly revision: number; readonly denied: boolean; readonly receivedAt: number }, goOn: () => void): void => {
    const { revision, denied, receivedAt } = answer;
    const left = receivedAt + holdFor - runtime.clock.monotonic();
    counts.held++;
    if (left <= 0 || waiting >= heldAtMost) {
      tooLate(denied, goOn);
      return;
    }
    waiting++;
    let done = false;
    const finish = (end: () => void): void => {
      if (done) return;
      done = true;
      waiting--;
      timer.cancel();
      end();
    };
    const timer = runtime.clock.after(left, () => finish(() => tooLate(denied, goOn)), { background: true });
    gate.when(revision).then(
      () => finish(goOn),
      (error: unknown) => logger.debug("addresses of names are not in force", { error: errorMessage(error) }),
    );
  };

  const settle = (connection: string, answer: { readonly revision: number; readonly denied: boolean }): void => {
    unsettled.delete(connection);
    if (gate.reached(answer.revision)) return;
    unsettled.set(connection, answer);
    const [oldest] = unsettled.keys();
    if (unsettled.size > tcpStreamLimits.connections && oldest !== undefined) unsettled.delete(oldest);
  };

  return {
    handle(packet, connection, { receivedAt }) {
      const goOn = (): void => release(packet, connection);
      const read = readAnswer(packet.packet, streams);
      const port = packet.metadata[registers.outputPort.field];
      const pod = podOf(Number(typeof port === "bigint" ? port : (port?.value ?? 0n)));
      if (pod === undefined) return goOn();
      if (read === undefined || read.unreadable) {
        counts.unreadable++;
        if (!denies()) goOn();
        return;
      }
      if (read.messages.length > 0 && !trusts(read.server)) {
        counts.untrusted++;
        return goOn();
      }
      const from = { by: "pod", pod: `${pod.podNamespace}/${pod.podName}`, server: String(read.server) } as const;
      let { revision, denied } = (read.connection === undefined ? undefined : unsettled.get(read.connection)) ?? {
        revision: 0,
        denied: false,
      };
      for (const bytes of read.messages) {
        const decoded = decodeMessage(bytes);
        if (!decoded.ok) {
          counts.unreadable++;
          if (denies()) return;
          continue;
        }
        for (const answer of answersOf(decoded.message)) {
          const learned = cache.learn(answer, { from, now: runtime.clock.wall(), ...(inUse === undefined ? {} : { inUse }) });
          if (learned.matched) counts.learned++;
          apply(learned.patches);
          revision = Math.max(revision, learned.revision);
          denied ||= learned.denied;
        }
      }
      if (read.connection !== undefined) settle(read.connection, { revision, denied });
      if (gate.reached(revision)) goOn();
      else hold({ revision, denied, receivedAt }, goOn);
    },
    figures: () => ({ ...counts }),
  };
}

interface ReadAnswer {
  readonly server: IpAddress;
  /** Names the TCP connection. */
  readonly connection?: string;
  readonly messages: readonly Uint8Array[];
  readonly unreadable: boolean;
}

/** The DNS messages that a client has once it gets this packet. Undefined: neither UDP nor TCP that can be read (a fragment, a broken header). */
function readAnswer(bytes: Uint8Array, streams: TcpStreams): ReadAnswer | undefined {
  const ip = decodeFrame(bytes)?.payload;
  if (ip?.kind !== "ipv4" && ip?.kind !== "ipv6") return undefined;
  const { source: server, payload } = ip;
  if (payload.kind === "udp") return { server, messages: [payload.payload], unreadable: false };
  if (payload.kind !== "tcp") return undefined;
  const connection = connectionOf(ip, payload.destinationPort);
  return { server, connection, ...streams.push(connection, payload) };
}

const connectionOf = ({ source, destination }: Ipv4Packet | Ipv6Packet, port: number): string => `${source} ${destination} ${port}`;
