import {
  type AnswerRecord,
  canonicalName,
  classIn,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  recordType,
  responseCode,
  UnencodableMessage,
} from "#lib/dns/index.ts";
import { answerOf, type Lookup, typeOf } from "./records.ts";

/** Seconds that clients may keep an answer: short, as in a lab everything changes. CoreDNS has the same for clusters. */
const ttl = 5;

/** Aliases that are followed one after the other: more are a loop. */
const aliasLimit = 8;

/** Most bytes of an answer over UDP to a client that says nothing of itself (RFC 1035 §4.2.1), and to any (RFC 9715). */
const plainUdp = 512;
const udpLimit = 1_232;

/** Opcode of an ordinary question. */
const query = 0;

/** What becomes of a request: bytes to send back, nothing, or the question is for somebody else's servers. */
export type Response = { readonly bytes: Uint8Array } | "silence" | "forward";

export interface Responder {
  readonly lookup: Lookup;
  /** Whose names are ours: what is missing there is missing, and not to be looked for elsewhere. */
  readonly owns: (name: string) => boolean;
  /** Whether other servers can be asked. */
  readonly forwards: boolean;
}

/** Answers one request. Total: what is no question is answered with an error where it has a number to answer to. */
export function respond(request: Uint8Array, transport: "udp" | "tcp", responder: Responder): Response {
  const decoded = decodeMessage(request);
  if (!decoded.ok) return request.length < 12 || isResponse(request) ? "silence" : { bytes: formatError(request) };
  const { message } = decoded;
  // An answer that answers an answer is how two servers talk forever.
  if (message.response) return "silence";
  const [question] = message.questions;
  const reply = (rcode: number, answers: readonly AnswerRecord[] = []): Response => ({
    bytes: fitted({ message, rcode, answers, limit: limitOf(message, transport) }),
  });
  if (message.opcode !== query) return reply(responseCode.notImplemented);
  if (message.edns !== undefined && message.edns.version > 0) return reply(badVersion);
  if (question === undefined || message.questions.length !== 1) return reply(responseCode.formatError);
  if (question.class !== classIn) return reply(responseCode.refused);
  const answers: AnswerRecord[] = [];
  let name = canonicalName(question.name);
  let owner = question.name;
  for (let alias = 0; alias < aliasLimit; alias++) {
    const records = responder.lookup(name);
    if (records === undefined) {
      if (responder.owns(name)) return reply(responseCode.nameError, answers);
      // Behind an alias the client asks on by itself where nobody else can.
      if (responder.forwards && answers.length === 0) return "forward";
      return reply(answers.length === 0 ? responseCode.nameError : responseCode.noError, answers);
    }
    const fitting = records.filter((data) => question.type === recordType.any || typeOf(data) === question.type);
    const away = records.find((data) => data.type === "alias");
    if (fitting.length > 0 || away === undefined) {
      answers.push(...fitting.map((data) => answerOf(owner, data, ttl)));
      return reply(responseCode.noError, answers);
    }
    answers.push(answerOf(owner, away, ttl));
    name = canonicalName(away.target);
    owner = away.target;
  }
  return reply(responseCode.serverFailure, answers);
}

/** EDNS of a version that is not ours (RFC 6891 §6.1.3). */
const badVersion = 16;

const isResponse = (bytes: Uint8Array): boolean => ((bytes[2] ?? 0) & 0x80) !== 0;

function limitOf({ edns }: DnsMessage, transport: "udp" | "tcp"): number {
  if (transport === "tcp") return 0xffff;
  return edns === undefined ? plainUdp : Math.min(udpLimit, Math.max(plainUdp, edns.udpPayload));
}

/** The reply, with as many answers as fit; one that is cut says so. */
function fitted(options: {
  readonly message: DnsMessage;
  readonly rcode: number;
  readonly answers: readonly AnswerRecord[];
  readonly limit: number;
}): Uint8Array {
  const { message, rcode, limit } = options;
  const encode = (answers: readonly AnswerRecord[]): Uint8Array =>
    encodeMessage({
      id: message.id,
      response: true,
      opcode: message.opcode,
      authoritative: true,
      recursionDesired: message.recursionDesired === true,
      recursionAvailable: true,
      truncated: answers.length < options.answers.length,
      rcode,
      questions: message.questions.slice(0, 1),
      answers,
      ...(message.edns === undefined ? {} : { edns: { udpPayload: udpLimit, version: 0 } }),
    });
  for (let { answers } = options; answers.length > 0; answers = answers.slice(0, answers.length >> 1)) {
    try {
      const bytes = encode(answers);
      if (bytes.length <= limit) return bytes;
    } catch (error) {
      // More than any message holds, or an alias that is no name: not answered with.
      if (!(error instanceof UnencodableMessage)) throw error;
    }
  }
  return encode([]);
}

function formatError(request: Uint8Array): Uint8Array {
  const id = ((request[0] ?? 0) << 8) | (request[1] ?? 0);
  return encodeMessage({ id, response: true, opcode: query, rcode: responseCode.formatError, questions: [], answers: [] });
}
