import { generateKeyPairSync, sign } from "node:crypto";
import type { CertificateRequest } from "./certificates.ts";
import { bitString, explicit, integer, objectIdentifier, sequence, set } from "./der.ts";
import { ecdsaWithSha256, nameOf, pemOf, pemOfKey, subjectAltName } from "./x509.ts";

/** A request that somebody else's authority signs (PKCS #10), and the private key that the certificate will be for; both PEM. */
export interface SigningRequest {
  readonly request: string;
  readonly key: string;
}

/** Asks for a certificate of a new P-256 key. What it may be used for is said where the request is handed in, not in it. */
export function createSigningRequest({ hosts = [], ...subject }: Omit<CertificateRequest, "usages" | "validity">): SigningRequest {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensionRequest = sequence(objectIdentifier("1.2.840.113549.1.9.14"), set(sequence(subjectAltName(hosts))));
  const body = sequence(
    integer(Buffer.from([0])), // version 1
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    explicit(0, ...(hosts.length === 0 ? [] : [extensionRequest])),
  );
  const signed = sequence(body, ecdsaWithSha256, bitString(sign("sha256", body, privateKey)));
  return { request: pemOf("CERTIFICATE REQUEST", signed), key: pemOfKey(privateKey) };
}
