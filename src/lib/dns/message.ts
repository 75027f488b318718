import type { IpAddress } from "#lib/ip/index.ts";

/** Types of records and questions (IANA, "DNS Resource Record Types") that are called by name here; all others by number. */
export const recordType = { a: 1, ns: 2, cname: 5, soa: 6, ptr: 12, txt: 16, aaaa: 28, srv: 33, opt: 41, any: 255 } as const;
/** The Internet class, the only one in use. */
export const classIn = 1;
/** Response codes of RFC 1035 §4.1.1 that callers tell apart. */
export const responseCode = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;

/** Most bytes of a message: what the length of RFC 1035 §4.2.2 and of UDP can say. */
export const messageLimit = 0xffff;

export interface Question {
  /** As {@link nameText} writes names: without the final dot, letters as they were sent. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

interface Common {
  readonly name: string;
  readonly class: number;
  /** Seconds. One with its highest bit set is 0 (RFC 2181 §8). */
  readonly ttl: number;
}

/** A record of the answer section: what this program reads, and the rest as bytes. */
export type AnswerRecord = Common &
  (
    | { readonly kind: "address"; readonly address: IpAddress }
    | { readonly kind: "alias"; readonly target: string }
    | { readonly kind: "other"; readonly type: number; readonly bytes: Uint8Array }
  );

/** What the other side says of itself by EDNS (RFC 6891). */
export interface Edns {
  /** Largest UDP payload it takes, bytes. */
  readonly udpPayload: number;
  readonly version: number;
}

/** A message with its questions and answers. Authority and additional records are passed over, but for EDNS. */
export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative?: boolean;
  /** Did not fit: to be asked for again over TCP. */
  readonly truncated?: boolean;
  readonly recursionDesired?: boolean;
  readonly recursionAvailable?: boolean;
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly AnswerRecord[];
  readonly edns?: Edns;
}
