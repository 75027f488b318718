import { OutOfBytes, Reader } from "#lib/bytes/index.ts";
import { IpAddress } from "#lib/ip/index.ts";
import { type AnswerRecord, classIn, type DnsMessage, type Edns, messageLimit, type Question, recordType } from "./message.ts";
import { createNameReader, type NameReader } from "./name.ts";

/** Why bytes are no message that a client could act upon. */
export type DecodeFailure = "too short" | "too long" | "a question is malformed" | "an answer is malformed";

export type Decoded = { readonly ok: true; readonly message: DnsMessage } | { readonly ok: false; readonly reason: DecodeFailure };

/** Flags of the header, RFC 1035 §4.1.1. */
export const flag = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
} as const;

const headerBytes = 12;

/**
 * Reads a message. Total: questions and answers are read whole or the message is refused; what is wrong behind them (authority, additional) does not
 * matter, as no stub resolver looks there. Time and memory follow the bytes, not the counts of the header.
 */
export function decodeMessage(bytes: Uint8Array): Decoded {
  if (bytes.length < headerBytes) return { ok: false, reason: "too short" };
  if (bytes.length > messageLimit) return { ok: false, reason: "too long" };
  const header = new Reader(bytes);
  const id = header.uint16();
  const flags = header.uint16();
  const counts = { questions: header.uint16(), answers: header.uint16(), rest: header.uint16() + header.uint16() };
  const names = createNameReader(bytes);
  const section = { bytes, names, at: headerBytes };
  const questions = readAll(counts.questions, () => readQuestion(section));
  if (questions === undefined) return { ok: false, reason: "a question is malformed" };
  const answers = readAll(counts.answers, () => readAnswer(section));
  if (answers === undefined) return { ok: false, reason: "an answer is malformed" };
  const edns = findEdns(section, counts.rest);
  return {
    ok: true,
    message: {
      id,
      response: (flags & flag.response) !== 0,
      opcode: (flags >>> 11) & 0xf,
      ...(flags & flag.authoritative ? { authoritative: true } : {}),
      ...(flags & flag.truncated ? { truncated: true } : {}),
      ...(flags & flag.recursionDesired ? { recursionDesired: true } : {}),
      ...(flags & flag.recursionAvailable ? { recursionAvailable: true } : {}),
      rcode: (flags & 0xf) | ((edns?.rcode ?? 0) << 4),
      questions,
      answers,
      ...(edns === undefined ? {} : { edns: edns.edns }),
    },
  };
}

interface Section {
  readonly bytes: Uint8Array;
  readonly names: NameReader;
  /** Where the next entry begins. */
  at: number;
}

function readAll<T>(count: number, read: () => T | undefined): T[] | undefined {
  const entries: T[] = [];
  for (let index = 0; index < count; index++) {
    const entry = read();
    if (entry === undefined) return undefined;
    entries.push(entry);
  }
  return entries;
}

/** Reads behind the name at the section's place; undefined when the name or what follows is cut short. Moves on. */
function behindName<T>(section: Section, read: (name: string, reader: Reader) => T | undefined): T | undefined {
  const named = section.names.read(section.at);
  if (named === undefined) return undefined;
  const reader = new Reader(section.bytes, named.next);
  try {
    const entry = read(named.name, reader);
    section.at = reader.offset;
    return entry;
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined;
    throw error;
  }
}

function readQuestion(section: Section): Question | undefined {
  return behindName(section, (name, reader) => ({ name, type: reader.uint16(), class: reader.uint16() }));
}

const addressBytes: Readonly<Record<number, number>> = { [recordType.a]: 4, [recordType.aaaa]: 16 };

function readAnswer(section: Section): AnswerRecord | undefined {
  return behindName(section, (name, reader): AnswerRecord | undefined => {
    const type = reader.uint16();
    const common = { name, class: reader.uint16(), ttl: seconds(reader.uint32()) };
    const length = reader.uint16();
    const start = reader.offset;
    const data = reader.bytes(length);
    // Addresses of other classes have other forms.
    const wanted = common.class === classIn ? addressBytes[type] : undefined;
    if (wanted !== undefined) return length === wanted ? { kind: "address", ...common, address: IpAddress.fromBytes(data) } : undefined;
    if (type !== recordType.cname) return { kind: "other", ...common, type, bytes: data.slice() };
    const target = section.names.read(start);
    return target?.next === start + length ? { kind: "alias", ...common, target: target.name } : undefined;
  });
}

const seconds = (ttl: number): number => (ttl > 0x7fff_ffff ? 0 : ttl);

/** The OPT record among what follows the answers: the upper bits of the response code stand there. */
function findEdns(section: Section, records: number): { readonly edns: Edns; readonly rcode: number } | undefined {
  for (let index = 0; index < records; index++) {
    const found = behindName(section, (name, reader) => {
      const type = reader.uint16();
      const udpPayload = reader.uint16();
      const extended = reader.uint32();
      reader.skip(reader.uint16());
      if (type !== recordType.opt || name !== "") return "passed over" as const;
      return { edns: { udpPayload, version: (extended >>> 16) & 0xff }, rcode: extended >>> 24 };
    });
    if (found !== "passed over") return found;
  }
  return undefined;
}
