import { isConflict, isNotFound } from "#lib/kube/errors.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { type CertificateSigningRequest, certificateSigningRequests, kubeletClientSigner } from "../../kinds/certificate/types.ts";
import type { ControllerContext } from "../cluster.ts";
import { recognize } from "./recognized.ts";

/**
 * Approves requests for kubelets' client certificates of those who may have them: a node its own (`selfnodeclient`), whoever brings nodes any
 * (`nodeclient`). Everything else waits for somebody to decide.
 */
export function runCertificateApprover({ runtime, client, signal, cluster }: ControllerContext): void {
  const work = async (name: string): Promise<void> => {
    const asked = cluster.certificateSigningRequests.get(name);
    if (asked === undefined || asked.spec.signerName !== kubeletClientSigner || (asked.status?.conditions ?? []).length > 0) return;
    const recognized = recognize(asked);
    if (recognized === undefined || "problem" in recognized) return;
    const rights = recognized.request.commonName === asked.spec.username ? ["selfnodeclient", "nodeclient"] : ["nodeclient"];
    for (const right of rights) {
      if (!(await may(asked, right))) continue;
      const message = `Auto approving kubelet client certificate after SubjectAccessReview: ${right}.`;
      const conditions = [{ type: "Approved", status: "True", reason: "AutoApproved", message }];
      try {
        await client.update(certificateSigningRequests, { ...asked, status: { conditions } }, { subresource: "approval" });
      } catch (error) {
        // Gone, or written meanwhile: that change comes here too.
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
      return;
    }
  };
  const may = async ({ spec }: CertificateSigningRequest, subresource: string): Promise<boolean> => {
    const resourceAttributes = {
      verb: "create",
      group: certificateSigningRequests.group,
      resource: certificateSigningRequests.plural,
      subresource,
    };
    const { username: user, uid, groups, extra } = spec;
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user, uid, groups, extra, resourceAttributes },
    };
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const answer = (await client.json({ method: "POST", path, body: JSON.stringify(review) })) as {
      readonly status?: { readonly allowed?: boolean };
    };
    return answer.status?.allowed === true;
  };
  const queue = createWorkqueue({ runtime, name: "certificate-approver", work, signal });
  cluster.certificateSigningRequests.subscribe(({ key }) => queue.add(key), { replay: true });
}
