import { X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority, issueCertificate, type KeyPair } from "#lib/apiserver/certificates.ts";
import { hours } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { UnusableCertificate } from "../errors.ts";

/** What the server shows, and the authority that clients must trust for it. All PEM. */
export interface ServingCertificate extends KeyPair {
  readonly authority: string;
}

const validity = hours(24 * 365);
/** A self-signed pair is replaced this long before it ends, so that the new authority has reached every client in time. */
export const renewBefore = hours(24 * 90);

/** The names that the Kubernetes API and agents know the controller by. */
export const serverNames = (namespace: string): string[] => [
  `antrea.${namespace}.svc`,
  `antrea.${namespace}.svc.cluster.local`,
  "localhost",
];

/**
 * A certificate of an own authority, kept in `folder` so that a restarted controller is the one that agents trust already. Made anew when it is
 * missing, unreadable, for other names or near its end.
 */
export async function selfSignedCertificate(
  runtime: Pick<Runtime, "clock" | "random">,
  { folder, namespace }: { readonly folder: string; readonly namespace: string },
): Promise<ServingCertificate> {
  const hosts = serverNames(namespace);
  const kept = await readPair(folder).catch(() => undefined);
  if (kept !== undefined && isUsable(kept, { hosts, until: runtime.clock.wall() + renewBefore })) return kept;
  // The names of the authority differ from one to the next, as clients may know the old one still.
  const serial = Buffer.from(runtime.random.bytes(4)).toString("hex");
  const authority = createAuthority(runtime, { commonName: `antrea-ca@${serial}`, validity });
  const pair = issueCertificate(runtime, authority, { commonName: hosts[0] ?? "antrea", hosts, usages: ["server"], validity });
  const made = { ...pair, authority: authority.certificate };
  await writePair(folder, made);
  return made;
}

/** The pair an administrator provides: `ca.crt`, `tls.crt`, `tls.key` in `folder`. Throws {@link UnusableCertificate}. */
export async function providedCertificate(folder: string): Promise<ServingCertificate> {
  try {
    const pair = await readPair(folder);
    new X509Certificate(pair.certificate);
    return pair;
  } catch (error) {
    throw new UnusableCertificate(folder, errorMessage(error));
  }
}

/** When the first of the pair's certificates ends, in wall time. */
export function endOf({ certificate, authority }: ServingCertificate): number {
  return Math.min(...[certificate, authority].map((pem) => new X509Certificate(pem).validToDate.getTime()));
}

async function readPair(folder: string): Promise<ServingCertificate> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
  const [authority, certificate, key] = await Promise.all(["ca.crt", "tls.crt", "tls.key"].map(read));
  return { authority: authority ?? "", certificate: certificate ?? "", key: key ?? "" };
}

async function writePair(folder: string, { authority, certificate, key }: ServingCertificate): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, content] of [
    ["ca.crt", authority],
    ["tls.crt", certificate],
    ["tls.key", key],
  ] as const) {
    const file = join(folder, name);
    await writeFile(`${file}.new`, content, { mode: 0o600 });
    await chmod(`${file}.new`, 0o600);
    await rename(`${file}.new`, file);
  }
}

function isUsable(pair: ServingCertificate, { hosts, until }: { readonly hosts: readonly string[]; readonly until: number }): boolean {
  try {
    const certificate = new X509Certificate(pair.certificate);
    const authority = new X509Certificate(pair.authority);
    return (
      certificate.verify(authority.publicKey) && hosts.every((host) => certificate.checkHost(host) !== undefined) && endOf(pair) > until
    );
  } catch {
    return false;
  }
}
