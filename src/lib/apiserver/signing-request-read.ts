import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { IpAddress } from "#lib/ip/address.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type DerElement, NotDer, readObjectIdentifier, within } from "./der-read.ts";

/** What a request for a certificate (PKCS #10, RFC 2986) asks for. */
export interface ReadSigningRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  /** How many names of other kinds (mail addresses, URIs) it has beside. */
  readonly otherNames: number;
  /** As it goes into the certificate, DER. */
  readonly subject: Buffer;
  /** The content of the extension subjectAltName, DER; absent where there is none. */
  readonly subjectAltName?: Buffer;
  readonly publicKey: KeyObject;
}

/** What was read, or what is wrong with it. */
export type SigningRequestReading = { readonly request: ReadSigningRequest } | { readonly problem: string };

/** Longest request that is looked at: with an RSA key of 8 192 bits and a hundred names it is 8 kB. */
const limit = 64 * 1024;

const sequenceTag = 0x30;
const setTag = 0x31;
/** How signatures are made, by the identifier of the algorithm (RFC 5758, RFC 4055, RFC 8410). */
const hashes: Readonly<Record<string, string | null>> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.3.101.112": null,
};

/** Reads a PEM block and checks that who wrote it holds the key. Throws nothing. */
export function readSigningRequest(pem: string): SigningRequestReading {
  if (pem.length > limit) return { problem: `it is longer than ${limit} bytes` };
  const found = /^\s*-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE REQUEST-----\s*$/.exec(pem);
  if (found === null) return { problem: "PEM block type must be CERTIFICATE REQUEST" };
  try {
    return { request: read(Buffer.from(found[1] ?? "", "base64")) };
  } catch (error) {
    // By the readers here, or by OpenSSL, which reads the key.
    return { problem: errorMessage(error) };
  }
}

function read(bytes: Buffer): ReadSigningRequest {
  const [whole] = within({ tag: sequenceTag, content: bytes, whole: bytes }, sequenceTag, "a request");
  const [body, algorithm, signature, ...more] = within(whole, sequenceTag, "a request");
  if (body === undefined || signature?.tag !== 0x03 || more.length > 0)
    throw new NotDer("a request has a body, an algorithm and a signature");
  const [, subject, key, attributes] = within(body, sequenceTag, "the body");
  if (subject === undefined || key === undefined) throw new NotDer("a subject or a key is not there");
  const publicKey = createPublicKey({ key: key.whole, format: "der", type: "spki" });
  const hash = hashes[readObjectIdentifier(within(algorithm, sequenceTag, "an algorithm")[0])];
  if (hash === undefined) throw new NotDer("it is signed by an algorithm that is not known here");
  if (!verify(hash, body.whole, publicKey, signature.content.subarray(1))) throw new NotDer("its signature is not by its key");
  const names = subjectNames(subject);
  const subjectAltName = attributes === undefined ? undefined : requestedNames(attributes);
  return {
    commonName: names.get("2.5.4.3")?.[0] ?? "",
    organizations: names.get("2.5.4.10") ?? [],
    ...alternativeNames(subjectAltName),
    subject: Buffer.from(subject.whole),
    ...(subjectAltName === undefined ? {} : { subjectAltName: Buffer.from(subjectAltName) }),
    publicKey,
  };
}

/** The parts of a name by the identifier of their type. */
function subjectNames(subject: DerElement): ReadonlyMap<string, readonly string[]> {
  const parts = within(subject, sequenceTag, "a subject").flatMap((part) =>
    within(part, setTag, "a part of the subject").map((attribute) => {
      const [type, value] = within(attribute, sequenceTag, "a part of the subject");
      return { type: readObjectIdentifier(type), value: value?.content.toString("utf8") ?? "" };
    }),
  );
  return new Map([...Map.groupBy(parts, ({ type }) => type)].map(([type, all]) => [type, all.map(({ value }) => value)]));
}

/** The names among the extensions that are asked for (RFC 2985 §5.4.2). */
function requestedNames(attributes: DerElement): Buffer | undefined {
  for (const attribute of within(attributes, 0xa0, "attributes")) {
    const [type, values] = within(attribute, sequenceTag, "an attribute");
    if (readObjectIdentifier(type) !== "1.2.840.113549.1.9.14") continue;
    for (const extension of within(within(values, setTag, "extensions")[0], sequenceTag, "extensions")) {
      const [id, ...rest] = within(extension, sequenceTag, "an extension");
      const value = rest.at(-1);
      if (readObjectIdentifier(id) === "2.5.29.17" && value?.tag === 0x04) return value.content;
    }
  }
  return undefined;
}

function alternativeNames(content: Buffer | undefined): Pick<ReadSigningRequest, "dnsNames" | "addresses" | "otherNames"> {
  if (content === undefined) return { dnsNames: [], addresses: [], otherNames: 0 };
  const [list] = within({ tag: sequenceTag, content, whole: content }, sequenceTag, "names");
  const names = within(list, sequenceTag, "names");
  const of = (tag: number): readonly Buffer[] => names.flatMap((name) => (name.tag === tag ? [name.content] : []));
  const dnsNames = of(0x82).map((name) => name.toString("ascii"));
  const addresses = of(0x87).map((bytes) => IpAddress.fromBytes(bytes).toString());
  return { dnsNames, addresses, otherNames: names.length - dnsNames.length - addresses.length };
}
