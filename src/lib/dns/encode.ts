import { Writer } from "#lib/bytes/index.ts";
import { flag } from "./decode.ts";
import { UnencodableMessage } from "./errors.ts";
import { type AnswerRecord, classIn, type DnsMessage, messageLimit, recordType } from "./message.ts";
import { labelLimit, labelsOf, nameLimit } from "./name.ts";

/** The bytes of a message; names that were written before are pointed at. Throws {@link UnencodableMessage}. */
export function encodeMessage(message: DnsMessage): Uint8Array {
  const { id, response, opcode, authoritative, truncated, recursionDesired, recursionAvailable, rcode, questions, answers, edns } = message;
  const flags =
    (response ? flag.response : 0) |
    (opcode << 11) |
    (authoritative ? flag.authoritative : 0) |
    (truncated ? flag.truncated : 0) |
    (recursionDesired ? flag.recursionDesired : 0) |
    (recursionAvailable ? flag.recursionAvailable : 0) |
    (rcode & 0xf);
  if (rcode > 0xf && edns === undefined) throw new UnencodableMessage(`response code ${rcode}`, "is over 15, which only EDNS can carry");
  const writer = new Writer(512);
  const names = createNameWriter(writer);
  writer
    .uint16(id)
    .uint16(flags)
    .uint16(questions.length)
    .uint16(answers.length)
    .uint16(0)
    .uint16(edns === undefined ? 0 : 1);
  for (const question of questions) {
    names.write(question.name);
    writer.uint16(question.type).uint16(question.class);
  }
  for (const answer of answers) writeAnswer(writer, names, answer);
  if (edns !== undefined)
    writer
      .uint8(0)
      .uint16(recordType.opt)
      .uint16(edns.udpPayload)
      .uint32((((rcode >>> 4) << 24) | (edns.version << 16)) >>> 0)
      .uint16(0);
  if (writer.length > messageLimit) throw new UnencodableMessage("a message", `has ${writer.length} bytes, over ${messageLimit}`);
  return writer.result();
}

/** A question for the addresses of `name`, to a resolver that does the rest. */
export function addressQuery(options: {
  readonly id: number;
  readonly name: string;
  readonly family: 4 | 6;
  readonly udpPayload: number;
}): DnsMessage {
  const { id, name, family, udpPayload } = options;
  return {
    id,
    response: false,
    opcode: 0,
    recursionDesired: true,
    rcode: 0,
    questions: [{ name, type: family === 4 ? recordType.a : recordType.aaaa, class: classIn }],
    answers: [],
    edns: { udpPayload, version: 0 },
  };
}

function writeAnswer(writer: Writer, names: NameWriter, answer: AnswerRecord): void {
  names.write(answer.name);
  const type = answer.kind === "alias" ? recordType.cname : answer.kind === "other" ? answer.type : addressType(answer);
  writer.uint16(type).uint16(answer.class).uint32(answer.ttl).uint16(0);
  const start = writer.length;
  if (answer.kind === "alias") names.write(answer.target);
  else writer.bytes(answer.kind === "address" ? answer.address.bytes() : answer.bytes);
  writer.patchUint16(start - 2, writer.length - start);
}

const addressType = ({ address }: Extract<AnswerRecord, { readonly kind: "address" }>): number =>
  address.family === 4 ? recordType.a : recordType.aaaa;

interface NameWriter {
  write(name: string): void;
}

/** A pointer reaches no further (RFC 1035 §4.1.4). */
const pointerLimit = 0x3fff;

function createNameWriter(writer: Writer): NameWriter {
  const written = new Map<string, number>();
  return {
    write(name) {
      const labels = labelsOf(name);
      if (labels === undefined) throw new UnencodableMessage(JSON.stringify(name), "is no name");
      const length = labels.reduce((sum, label) => sum + 1 + label.length, 1);
      if (length > nameLimit) throw new UnencodableMessage(JSON.stringify(name), `has ${length} bytes, over ${nameLimit}`);
      for (const [index, label] of labels.entries()) {
        if (label.length > labelLimit) throw new UnencodableMessage(JSON.stringify(name), `has a label of more than ${labelLimit} bytes`);
        const suffix = labels
          .slice(index)
          .map((part) => Buffer.from(part).toString("hex"))
          .join(".");
        const at = written.get(suffix);
        if (at !== undefined) {
          writer.uint16(0xc000 | at);
          return;
        }
        if (writer.length <= pointerLimit) written.set(suffix, writer.length);
        writer.uint8(label.length).bytes(label);
      }
      writer.uint8(0);
    },
  };
}
