import { rbacAuthorizer } from "#lib/apiserver/auth/rbac.ts";
import { forbidden } from "#lib/apiserver/errors.ts";
import type { HookContext } from "#lib/apiserver/resource.ts";
import { readSigningRequest } from "#lib/apiserver/signing-request-read.ts";
import { mastersGroup } from "#lib/apiserver/user.ts";
import { apiServerClientSigner, type CertificateSigningRequest, certificateSigningRequests } from "./types.ts";

const resource = { group: certificateSigningRequests.group, resource: certificateSigningRequests.plural };

/** Who decides on requests must be one who may `approve` for their signer, who signs one who may `sign` for it. Throws Forbidden. */
export function checkRight(verb: "approve" | "sign", { metadata, spec }: CertificateSigningRequest, context: HookContext): void {
  if (context.user.groups.includes(mastersGroup)) return;
  const { signerName } = spec;
  const names = [signerName, `${signerName.slice(0, signerName.indexOf("/"))}/*`];
  const signer = { group: resource.group, version: "*", resource: "signers", subresource: "", namespace: "" };
  const authorizer = rbacAuthorizer(context);
  const allowed = names.some((name) => {
    const decision = authorizer.authorize({ user: context.user, verb, resource: { ...signer, name } });
    return "allowed" in decision && decision.allowed;
  });
  if (!allowed)
    throw forbidden(resource, metadata.name ?? "", `user not permitted to ${verb} requests with signerName ${JSON.stringify(signerName)}`);
}

/** Nobody becomes almighty by a certificate. Throws Forbidden. */
export function checkSubject({ metadata, spec }: CertificateSigningRequest): void {
  if (spec.signerName !== apiServerClientSigner) return;
  const reading = readSigningRequest(Buffer.from(spec.request, "base64").toString("latin1"));
  if ("request" in reading && reading.request.organizations.includes(mastersGroup))
    throw forbidden(resource, metadata.name ?? "", `use of ${apiServerClientSigner} signer with ${mastersGroup} group is not allowed`);
}
