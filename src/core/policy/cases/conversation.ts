import type { Ipv4Packet, Ipv6Packet, NetworkPacket, TransportPacket } from "#lib/packet/index.ts";
import type { Verdict } from "./case.ts";
import { servedPorts } from "./fixture.ts";
import { isService } from "./notation.ts";
import { answerPacket, firstPacket, ipPacket, nextAnswer, nextPacket, type Question } from "./questions.ts";

/** An end of a conversation: a pod (`namespace/name`), a node's own stack (`node-1`), or as a receiver a Service (`svc(namespace/name)`). */
export interface ConversationEnd {
  readonly name: string;
  /** The node whose switch is asked first. */
  readonly node: string;
}

/** A packet that somebody sends. */
export interface Sending {
  readonly from: ConversationEnd;
  readonly to: ConversationEnd;
  readonly packet: NetworkPacket;
  /** It answers another, or was made elsewhere: what a node's own stack begins carries its mark, this does not. */
  readonly unmarked: boolean;
}

/** Who has a packet in the end, and how it came there. */
export interface Arrival {
  readonly end: ConversationEnd;
  readonly packet: Ipv4Packet | Ipv6Packet;
}

/** What two ends say to each other: gives packets to carry one at a time, and takes how each arrived; undefined when it did not. */
export type Conversation<Result> = Generator<Sending, Result, Arrival | undefined>;

/** The first packet and, where it arrives, the answer of its receiver and what follows. */
export function* asking(from: ConversationEnd, to: ConversationEnd, question: Question): Conversation<Verdict> {
  const { source, destination } = question;
  // A.7.1: it never leaves the pod.
  if (source.equals(destination)) return "ok";
  const there = yield* saying(from, to, ipPacket(source, destination, firstPacket(question)));
  if (there === undefined) return "drop";
  if (isRefusal(there.packet)) return "refused";
  const port = destinationPortOf(there.packet) ?? question.port;
  // What the receiver sees: a Service's endpoint has its own address and port, and a pod that reaches itself another client.
  const { source: client, destination: receiver } = there.packet;
  const seen = { ...question, source: client, destination: receiver, port, served: isServed(question.protocol, port) };
  if (!(yield* answering(there, { from, to, question, payload: answerPacket(seen) }))) return "drop";
  if (!seen.served) return "refused";
  if (question.protocol === "tcp" && !(yield* saying(from, to, ipPacket(source, destination, nextPacket(question))))) return "drop";
  return "ok";
}

/** One more packet each way over a conversation that stands; false when one of them does not arrive. */
export function* talking(from: ConversationEnd, to: ConversationEnd, question: Question): Conversation<boolean> {
  const { source, destination, protocol } = question;
  const there = yield* saying(from, to, ipPacket(source, destination, protocol === "tcp" ? nextPacket(question) : firstPacket(question)));
  if (there === undefined) return false;
  const port = destinationPortOf(there.packet) ?? question.port;
  const backwards = { ...question, port: question.sourcePort, sourcePort: port };
  return yield* answering(there, { from, to, question, payload: protocol === "tcp" ? nextAnswer(backwards) : firstPacket(backwards) });
}

/** One packet: how it arrives at `to`, or as a refusal comes back. */
export function* saying(
  from: ConversationEnd,
  to: ConversationEnd,
  packet: NetworkPacket,
  { unmarked = false }: { readonly unmarked?: boolean } = {},
): Conversation<Arrival | undefined> {
  const arrival = yield { from, to, packet, unmarked };
  const { name = undefined } = arrival?.end ?? {};
  const arrives = isService(to.name) || name === to.name || (name === from.name && arrival !== undefined && isRefusal(arrival.packet));
  return arrives ? arrival : undefined;
}

interface Answering {
  readonly from: ConversationEnd;
  readonly to: ConversationEnd;
  readonly question: Question;
  readonly payload: TransportPacket;
}

/** Whether what the receiver says to a packet as it arrived is heard, from the address that was asked. */
function* answering({ end, packet }: Arrival, { from, to, question, payload }: Answering): Conversation<boolean> {
  const receiver = isService(to.name) ? end : to;
  const heard = yield* saying(receiver, from, ipPacket(packet.destination, packet.source, payload), { unmarked: true });
  return heard?.packet.source.equals(question.destination) === true;
}

const isServed = (protocol: Question["protocol"], port: number): boolean =>
  (protocol !== "tcp" && protocol !== "udp") || servedPorts.includes(port);

/** The agent's answer to what nobody serves, or a rule rejects. */
const isRefusal = ({ payload }: Arrival["packet"]): boolean =>
  (payload.kind === "tcp" && payload.flags.includes("rst")) ||
  (payload.kind === "icmp" && payload.type === 3) ||
  (payload.kind === "icmpv6" && payload.body.type === "other" && payload.body.number === 1);

const destinationPortOf = ({ payload }: Arrival["packet"]): number | undefined =>
  "destinationPort" in payload ? payload.destinationPort : undefined;
