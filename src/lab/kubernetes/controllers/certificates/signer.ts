import { defaultValidity, type KeyPair, signCertificate } from "#lib/apiserver/certificates.ts";
import { isConflict, isNotFound } from "#lib/kube/errors.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { minutes, seconds } from "#lib/runtime/duration.ts";
import { type CertificateCondition, certificateSigningRequests, hasCondition } from "../../kinds/certificate/types.ts";
import type { ControllerContext } from "../cluster.ts";
import { recognize } from "./recognized.ts";

/** For machines whose clock is a little behind; less than the shortest life that may be asked for. */
const backdating = minutes(5);

/** Signs approved requests for certificates of the API server's clients and of kubelets; those that break a rule of their signer fail. */
export function runCertificateSigner({ runtime, client, signal, cluster }: ControllerContext, authority: KeyPair): void {
  const work = async (name: string): Promise<void> => {
    const asked = cluster.certificateSigningRequests.get(name);
    if (asked === undefined || !hasCondition(asked, "Approved") || hasCondition(asked, "Failed") || asked.status?.certificate) return;
    const recognized = recognize(asked);
    if (recognized === undefined) return;
    const { expirationSeconds } = asked.spec;
    const validity = Math.min(defaultValidity, expirationSeconds === undefined ? defaultValidity : seconds(expirationSeconds));
    const failure = (message: string): CertificateCondition => ({
      type: "Failed",
      status: "True",
      reason: "SignerValidationFailure",
      message,
    });
    const status =
      "problem" in recognized
        ? { ...asked.status, conditions: [...(asked.status?.conditions ?? []), failure(recognized.problem)] }
        : {
            ...asked.status,
            certificate: Buffer.from(
              signCertificate(runtime, authority, { ...recognized.request, usages: [recognized.usage], validity, backdating }),
            ).toString("base64"),
          };
    try {
      await client.update(certificateSigningRequests, { ...asked, status }, { subresource: "status" });
    } catch (error) {
      // Gone, or written meanwhile: that change comes here too.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  };
  const queue = createWorkqueue({ runtime, name: "certificate-signer", work, signal });
  cluster.certificateSigningRequests.subscribe(({ key }) => queue.add(key), { replay: true });
}
