import type { KeyObject } from "node:crypto";
import { tryParseAddress } from "#lib/ip/address.ts";
import { boolean, implicit, objectIdentifier, octetString, sequence, set, utf8String } from "./der.ts";

/** What certificates (RFC 5280) and requests for them (RFC 2986) are made of. */

export const ecdsaWithSha256 = sequence(objectIdentifier("1.2.840.10045.4.3.2"));

/** A user's name: its groups, then itself. */
export function nameOf({
  commonName,
  organizations = [],
}: {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}): Buffer {
  const attribute = (id: string, value: string): Buffer => set(sequence(objectIdentifier(id), utf8String(value)));
  return sequence(...organizations.map((name) => attribute("2.5.4.10", name)), attribute("2.5.4.3", commonName));
}

export function extension(id: string, value: Buffer, options: { readonly critical?: boolean } = {}): Buffer {
  return sequence(objectIdentifier(id), ...(options.critical ? [boolean(true)] : []), octetString(value));
}

export const subjectAltNameId = "2.5.29.17";

/** DNS names and IP addresses (v4 or v6 text) that a server answers as. */
export const subjectAltName = (hosts: readonly string[]): Buffer => extension(subjectAltNameId, sequence(...hosts.map(generalName)));

function generalName(host: string): Buffer {
  const address = tryParseAddress(host);
  return address === undefined ? implicit(2, Buffer.from(host, "ascii")) : implicit(7, address.bytes());
}

/** RFC 7468. */
export function pemOf(label: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

export const pemOfKey = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();
