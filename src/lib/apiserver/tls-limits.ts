import type { SecureVersion } from "node:tls";

/** What a server takes of TLS, as Node's options. */
export interface TlsLimits {
  readonly minVersion: SecureVersion;
  /** Suites in OpenSSL's names. Default: the run time's. */
  readonly ciphers?: string;
}

/** Names of versions as Kubernetes' programs have them; empty is TLS 1.2. */
const versions: Readonly<Record<string, SecureVersion>> = {
  "": "TLSv1.2",
  VersionTLS10: "TLSv1",
  VersionTLS11: "TLSv1.1",
  VersionTLS12: "TLSv1.2",
  VersionTLS13: "TLSv1.3",
};
export const tlsVersionNames: readonly string[] = Object.keys(versions);

/** Not chosen by anybody: whoever speaks TLS 1.3 may use them all. */
const suites13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] as const;

/** What follows AES, as the registry and as OpenSSL has it. */
const aes = [
  ["128_GCM_SHA256", "128-GCM-SHA256"],
  ["256_GCM_SHA384", "256-GCM-SHA384"],
  ["128_CBC_SHA256", "128-SHA256"],
  ["128_CBC_SHA", "128-SHA"],
  ["256_CBC_SHA", "256-SHA"],
] as const;

/** Suites by the names of their registry (RFC 8447 §9), as OpenSSL calls them. Those with RC4 or 3DES are not to be had any more. */
const suites12: ReadonlyMap<string, string> = new Map([
  ...aes.map(([registered, known]) => [`TLS_RSA_WITH_AES_${registered}`, `AES${known}`] as const),
  ...["ECDSA", "RSA"].flatMap((kind) => [
    ...aes.map(([registered, known]) => [`TLS_ECDHE_${kind}_WITH_AES_${registered}`, `ECDHE-${kind}-AES${known}`] as const),
    ...["_SHA256", ""].map((end) => [`TLS_ECDHE_${kind}_WITH_CHACHA20_POLY1305${end}`, `ECDHE-${kind}-CHACHA20-POLY1305`] as const),
  ]),
]);

const namesIn = (text: string): readonly string[] => text.split(",").map((name) => name.trim());

/** Whether `text` is names of suites that can be used, with commas in between. */
export const areCipherSuites = (text: string): boolean =>
  namesIn(text).every((name) => suites12.has(name) || (suites13 as readonly string[]).includes(name));

/** `minVersion` is one of {@link tlsVersionNames}; `cipherSuites` passed {@link areCipherSuites}, or is empty. As in Go, suites decide for TLS 1.2 and before. */
export function tlsLimits({ minVersion, cipherSuites }: { readonly minVersion: string; readonly cipherSuites: string }): TlsLimits {
  const chosen = cipherSuites === "" ? [] : namesIn(cipherSuites).flatMap((name) => suites12.get(name) ?? []);
  return {
    minVersion: versions[minVersion] ?? "TLSv1.2",
    ...(cipherSuites !== "" && { ciphers: [...suites13, ...chosen].join(":") }),
  };
}
