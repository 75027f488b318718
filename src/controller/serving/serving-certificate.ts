import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createAuthority, issueCertificate, type KeyPair } from "#lib/apiserver/certificates.ts";
import { hours, milliseconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { UnusableCertificate } from "../errors.ts";

type Sources = Pick<Runtime, "clock" | "random">;

/** What the server shows, and the authorities that clients must trust for it and its successors. All PEM. */
export interface ServingCertificate extends KeyPair {
  readonly authority: string;
}

const validity = hours(24 * 90);
/** A replica signs itself a new certificate this long before its own ends. */
const renewBefore = hours(24 * 30);

/** The names that the Kubernetes API and agents know the controller by. */
export const serverNames = (namespace: string): string[] => [
  `antrea.${namespace}.svc`,
  `antrea.${namespace}.svc.cluster.local`,
  "localhost",
];

interface Signing {
  readonly signer: KeyPair;
  readonly namespace: string;
}

/** A certificate of this replica's own. It ends before its authority does. */
export function issueServingCertificate(sources: Sources, { signer, namespace }: Signing): KeyPair {
  const hosts = serverNames(namespace);
  const left = endOf(signer.certificate) - sources.clock.wall();
  return issueCertificate(sources, signer, {
    commonName: hosts[0] ?? "antrea",
    hosts,
    usages: ["server"],
    validity: milliseconds(Math.max(0, Math.min(validity, left))),
  });
}

/** Whether a replica has to sign itself another one: it is of another authority, for other names, or near its end. */
export function needsReplacement({ clock }: Pick<Runtime, "clock">, pair: KeyPair, { signer, namespace }: Signing): boolean {
  const certificate = new X509Certificate(pair.certificate);
  const authority = new X509Certificate(signer.certificate);
  const left = endOf(pair.certificate) - clock.wall();
  return (
    !certificate.verify(authority.publicKey) ||
    serverNames(namespace).some((host) => certificate.checkHost(host) === undefined) ||
    // A young authority that itself ends soon cannot give longer ones.
    (left < renewBefore && endOf(signer.certificate) - endOf(pair.certificate) > renewBefore)
  );
}

/** What is shown until there is one that clients can verify: probes are answered, everybody else goes away. */
export function temporaryCertificate(sources: Sources): ServingCertificate {
  const signer = createAuthority(sources, { commonName: "antrea-starting", validity: hours(24) });
  const pair = issueCertificate(sources, signer, { commonName: "antrea-starting", hosts: ["localhost"], usages: ["server"] });
  return { ...pair, authority: "" };
}

/** The pair an administrator provides: `ca.crt`, `tls.crt`, `tls.key` in `folder`. Throws {@link UnusableCertificate}. */
export async function providedCertificate(folder: string): Promise<ServingCertificate> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
  try {
    const [authority = "", certificate = "", key = ""] = await Promise.all(["ca.crt", "tls.crt", "tls.key"].map(read));
    new X509Certificate(certificate);
    return { authority, certificate, key };
  } catch (error) {
    throw new UnusableCertificate(folder, errorMessage(error));
  }
}

const endOf = (pem: string): number => new X509Certificate(pem).validToDate.getTime();
