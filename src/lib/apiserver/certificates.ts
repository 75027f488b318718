import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import { type Duration, hours, milliseconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { bitString, boolean, explicit, implicit, integer, objectIdentifier, octetString, sequence, time } from "./der.ts";
import { ecdsaWithSha256, extension, nameOf, pemOf, pemOfKey, subjectAltName, subjectAltNameId } from "./x509.ts";

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  /** The user of a client certificate. */
  readonly commonName: string;
  /** The groups of a client certificate. */
  readonly organizations?: readonly string[];
  /** DNS names and IP addresses (v4 or v6 text) that a server answers as. */
  readonly hosts?: readonly string[];
  readonly usages: readonly ("server" | "client")[];
  readonly validity?: Duration;
}

type Sources = Pick<Runtime, "clock" | "random">;

export const defaultValidity = hours(24 * 365);
/** Certificates are valid from a little earlier than now, for machines whose clock is a little behind. */
const usualBackdating = hours(1);

/** A self-signed certificate authority with a P-256 key. */
export function createAuthority(sources: Sources, options: { readonly commonName: string; readonly validity?: Duration }): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = nameOf({ commonName: options.commonName });
  const certificate = certify(sources, {
    subject,
    issuer: subject,
    publicKey,
    signingKey: privateKey,
    validity: options.validity ?? defaultValidity * 10,
    backdating: usualBackdating,
    extensions: [
      extension("2.5.29.19", sequence(boolean(true)), { critical: true }), // basicConstraints: a CA
      extension("2.5.29.15", bitString(Buffer.from([0x06]), 1), { critical: true }), // keyUsage: keyCertSign, cRLSign
      extension("2.5.29.14", octetString(keyIdentifier(publicKey))),
    ],
  });
  return { certificate, key: pemOfKey(privateKey) };
}

/** A certificate for a new P-256 key, signed by `authority`. */
export function issueCertificate(sources: Sources, authority: KeyPair, request: CertificateRequest): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuerCertificate = new X509Certificate(authority.certificate);
  const hosts = request.hosts ?? [];
  const certificate = certify(sources, {
    subject: nameOf(request),
    issuer: subjectOf(issuerCertificate),
    publicKey,
    signingKey: createPrivateKey(authority.key),
    validity: request.validity ?? defaultValidity,
    backdating: usualBackdating,
    extensions: leafExtensions(issuerCertificate, request.usages, hosts.length === 0 ? [] : [subjectAltName(hosts)]),
  });
  return { certificate, key: pemOfKey(privateKey) };
}

/** What an authority signs for somebody who holds the key already. */
export interface CertificateForKey {
  readonly publicKey: KeyObject;
  /** DER of a name. */
  readonly subject: Buffer;
  /** DER of general names. */
  readonly subjectAltName?: Buffer;
  readonly usages: readonly ("server" | "client")[];
  readonly validity: Duration;
  /** How much earlier than now it is valid from. */
  readonly backdating: Duration;
}

/** A certificate (PEM) for a key that is somebody else's: what they asked for has been judged. It lasts no longer than the authority's own. */
export function signCertificate(sources: Sources, authority: KeyPair, wanted: CertificateForKey): string {
  const { subject, publicKey, usages, subjectAltName, backdating } = wanted;
  const issuer = new X509Certificate(authority.certificate);
  const left = milliseconds(Math.max(0, Date.parse(issuer.validTo) - sources.clock.wall()));
  return certify(sources, {
    subject,
    issuer: subjectOf(issuer),
    publicKey,
    signingKey: createPrivateKey(authority.key),
    validity: Math.min(wanted.validity, left),
    backdating,
    extensions: leafExtensions(issuer, usages, subjectAltName === undefined ? [] : [extension(subjectAltNameId, subjectAltName)]),
  });
}

function leafExtensions(issuer: X509Certificate, usages: readonly ("server" | "client")[], names: readonly Buffer[]): readonly Buffer[] {
  const usageIds = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };
  return [
    extension("2.5.29.19", sequence(), { critical: true }), // basicConstraints: not a CA
    extension("2.5.29.15", bitString(Buffer.from([0xa0]), 5), { critical: true }), // keyUsage: digitalSignature, keyEncipherment
    extension("2.5.29.37", sequence(...usages.map((usage) => objectIdentifier(usageIds[usage])))),
    extension("2.5.29.35", sequence(implicit(0, keyIdentifier(issuer.publicKey)))),
    ...names,
  ];
}

interface Contents {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly validity: Duration;
  readonly backdating: Duration;
  readonly extensions: readonly Buffer[];
}

function certify({ clock, random }: Sources, contents: Contents): string {
  const { subject, issuer, publicKey, signingKey, validity, backdating, extensions } = contents;
  const serial = random.bytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const now = Math.floor(clock.wall() / 1_000) * 1_000;
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    ecdsaWithSha256,
    issuer,
    sequence(time(now - backdating), time(now + validity)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(...extensions)),
  );
  const certificate = sequence(body, ecdsaWithSha256, bitString(sign("sha256", body, signingKey)));
  return pemOf("CERTIFICATE", certificate);
}

/** The issuer's name as this module writes it: authorities come from {@link createAuthority}, so a common name is all they have. */
function subjectOf(certificate: X509Certificate): Buffer {
  const commonName =
    certificate.subject
      .split("\n")
      .find((part) => part.startsWith("CN="))
      ?.slice(3) ?? "";
  return nameOf({ commonName });
}

/** RFC 5280 §4.2.1.2 (1): the SHA-1 of the key's bits, an identifier and no protection. */
function keyIdentifier(key: KeyObject): Buffer {
  const uncompressedPoint = key.export({ type: "spki", format: "der" }).subarray(-65);
  return createHash("sha1").update(uncompressedPoint).digest();
}
