import fc from "fast-check";
import { IpAddress } from "#lib/ip/index.ts";
import { type AnswerRecord, classIn, type DnsMessage, recordType } from "../message.ts";

const uint = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
const record = <T extends object>(model: { readonly [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });
const flagged = (name: string): fc.Arbitrary<object> => fc.boolean().map((on) => (on ? { [name]: true } : {}));

const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/);
/** Few names that share their ends, so that pointers occur. */
export const anyName = fc.oneof(
  fc.constantFrom("", "a", "example.com", "www.example.com", "WwW.eXample.com", "x.y.z.www.example.com", "dot\\046in.label"),
  fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join(".")),
);

const common = { name: anyName, class: fc.constant(classIn), ttl: uint(31) };
const anyAnswer: fc.Arbitrary<AnswerRecord> = fc.oneof(
  record({ kind: fc.constant("address" as const), ...common, address: uint(32).map((value) => new IpAddress(4, BigInt(value))) }),
  record({
    kind: fc.constant("address" as const),
    ...common,
    address: fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value) => new IpAddress(6, value)),
  }),
  record({ kind: fc.constant("alias" as const), ...common, target: anyName }),
  record({
    kind: fc.constant("other" as const),
    ...common,
    type: fc.constantFrom(recordType.txt, recordType.srv, 65_280),
    bytes: fc.uint8Array({ maxLength: 30 }),
  }),
);

export const anyMessage = fc
  .tuple(
    record({
      id: uint(16),
      response: fc.boolean(),
      opcode: uint(4),
      rcode: uint(4),
      questions: fc.array(record({ name: anyName, type: uint(16), class: uint(16) }), { maxLength: 3 }),
      answers: fc.array(anyAnswer, { maxLength: 8 }),
    }),
    ...["authoritative", "truncated", "recursionDesired", "recursionAvailable"].map(flagged),
    fc
      .boolean()
      .chain((on) => (on ? record({ edns: record({ udpPayload: uint(16), version: uint(8) }), rcode: uint(12) }) : fc.constant({}))),
  )
  .map((parts) => Object.assign({}, ...parts) as DnsMessage);
