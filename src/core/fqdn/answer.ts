import { canonicalName, classIn, type DnsMessage, recordType, responseCode } from "#lib/dns/index.ts";
import type { Family, IpAddress } from "#lib/ip/index.ts";

/** What a DNS answer says of a name. */
export interface AddressAnswer {
  /** The name that was asked for, canonical. Aliases on the way do not count as names of their own. */
  readonly name: string;
  /** Families the answer speaks of: what of these is not in it is not said of the name any more. */
  readonly families: readonly Family[];
  readonly addresses: readonly { readonly address: IpAddress /** Seconds. */; readonly ttl: number }[];
}

const familiesOf: Readonly<Record<number, readonly Family[]>> = {
  [recordType.a]: [4],
  [recordType.aaaa]: [6],
  [recordType.any]: [4, 6],
};

/**
 * What a message tells of addresses: one answer for each question about addresses, with all addresses that the message has. None for queries, for
 * failures other than that there is no such name, and for truncated messages, which the client asks for again over TCP — unless they have addresses:
 * a client may use those.
 */
export function answersOf(message: DnsMessage): readonly AddressAnswer[] {
  const { response, opcode, rcode, truncated, questions, answers } = message;
  if (!response || opcode !== 0) return [];
  if (rcode !== responseCode.noError && rcode !== responseCode.nameError) return [];
  const addresses = answers.flatMap((record) => (record.kind === "address" ? [{ address: record.address, ttl: record.ttl }] : []));
  if (truncated && addresses.length === 0) return [];
  return questions.flatMap(({ name, type, class: questionClass }) => {
    const families = familiesOf[type];
    if (families === undefined || (questionClass !== classIn && questionClass !== recordType.any)) return [];
    // What a cut answer does not have it may still mean.
    return [{ name: canonicalName(name), families: truncated ? [] : families, addresses }];
  });
}
