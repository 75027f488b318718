import { bytes, int32, list, listBy, map, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { time } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { formatAge } from "#lib/apiserver/printing/age.ts";
import type { Draft } from "#lib/apiserver/resource.ts";
import { timestamp } from "#lib/apiserver/rules/create.ts";
import type { SubresourceHandler } from "#lib/apiserver/subresource.ts";
import { hours } from "#lib/runtime/duration.ts";
import { kind } from "../kind.ts";
import { checkRight, checkSubject } from "./rights.ts";
import { checkRequest } from "./rules.ts";
import { type CertificateSigningRequest, certificateSigningRequests, hasCondition } from "./types.ts";

const api = "io.k8s.api.certificates.v1";

/** How long requests are kept that were decided, and those that nobody has decided. */
const decidedLife = hours(1);
const pendingLife = hours(24);

const resource = { group: certificateSigningRequests.group, resource: certificateSigningRequests.plural };

/** `certificatesigningrequests/approval`: by it alone a request is approved or denied (`kubectl certificate`). */
const approval: SubresourceHandler = {
  kind: "CertificateSigningRequest",
  verbs: ["get", "patch", "update"],
  get: ({ objects, key }) => objects.get(resource, key) ?? { metadata: {} },
  update({ objects, key, ...context }, body) {
    const { metadata, status } = body as Partial<CertificateSigningRequest>;
    const change = (draft: Draft<CertificateSigningRequest>): void => {
      if (metadata?.resourceVersion !== undefined) draft.metadata.resourceVersion = metadata.resourceVersion;
      draft.status = { ...draft.status, conditions: (status?.conditions ?? []) as never };
    };
    return objects.update(resource, key, change as never, { ...context, subresource: "approval" });
  },
};
export const certificateSigningRequestDefinition = kind<CertificateSigningRequest>({
  resource: certificateSigningRequests,
  package: api,
  description: "A request for a certificate, which somebody approves and a signer answers.",
  fields: {
    spec: part(
      `${api}.CertificateSigningRequestSpec`,
      "What is asked for, and by whom. Cannot change.",
      {
        request: bytes("A request in PEM (PKCS #10)."),
        signerName: string("Who shall sign, as DOMAIN/NAME."),
        expirationSeconds: int32("How long the certificate shall be valid, at least 600; the signer may give less."),
        usages: list({ type: "string" }, "What the certificate shall be good for."),
        username: string("Who asked; set by the server."),
        uid: string("Who asked; set by the server."),
        groups: list({ type: "string" }, "Groups of who asked; set by the server."),
        extra: map({ type: "array", items: { type: "string" } }, "More about who asked; set by the server."),
      },
      ["request", "signerName", "usages"],
    ),
    status: part(`${api}.CertificateSigningRequestStatus`, "What came of it.", {
      conditions: listBy(
        "type",
        part(
          `${api}.CertificateSigningRequestCondition`,
          "A decision.",
          {
            type: string("Approved, Denied or Failed."),
            status: string("True."),
            reason: string("One word."),
            message: string("For people."),
            lastUpdateTime: use(time, "When it was written."),
            lastTransitionTime: use(time, "When its status last changed."),
          },
          ["type", "status"],
        ),
        "Decisions.",
      ),
      certificate: bytes("The certificate in PEM, once it is issued."),
    }),
  },
  required: ["spec"],
  shortNames: ["csr"],
  nameRule: "path-segment",
  subresources: { status: true, writesStatus: ["approval"], custom: { approval } },
  selectableFields: { "spec.signerName": ({ spec }) => spec.signerName },
  columns: [
    nameColumn,
    ageColumn,
    { name: "SignerName", type: "string", description: "Who shall sign.", value: ({ spec }) => spec.signerName },
    { name: "Requestor", type: "string", description: "Who asked.", value: ({ spec }) => spec.username ?? "" },
    {
      name: "RequestedDuration",
      type: "string",
      description: "How long it shall be valid.",
      value: ({ spec }) => (spec.expirationSeconds === undefined ? "<none>" : formatAge(spec.expirationSeconds * 1_000)),
    },
    { name: "Condition", type: "string", description: "What came of it.", value: conditionText },
  ],
  prepare: {
    create(request, { user }) {
      const { spec } = request;
      spec.username = user.username;
      spec.groups = [...user.groups];
      if (user.uid === undefined) delete spec.uid;
      else spec.uid = user.uid;
      if (user.extra === undefined) delete spec.extra;
      else spec.extra = structuredClone(user.extra) as Record<string, string[]>;
      checkSubject(request as CertificateSigningRequest);
    },
    update(request, old, context) {
      if (context.subresource === "approval") checkRight("approve", old, context);
      if (context.subresource === "status") checkRight("sign", old, context);
      const now = timestamp(context.now);
      for (const condition of request.status?.conditions ?? []) {
        const before = old.status?.conditions?.find(({ type }) => type === condition.type);
        condition.lastUpdateTime ??= now;
        condition.lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
      }
    },
  },
  validate: (request, { subresource }, old) => checkRequest(request, subresource, old),
  expired({ metadata, status }, now) {
    const decided = status?.conditions?.map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? ""))[0];
    return decided === undefined ? now - Date.parse(metadata.creationTimestamp ?? "") > pendingLife : now - decided > decidedLife;
  },
});

function conditionText(request: CertificateSigningRequest): string {
  const found = ["Approved", "Denied", "Failed"].filter((type) => hasCondition(request, type));
  return [...(found.length === 0 ? ["Pending"] : found), ...(request.status?.certificate ? ["Issued"] : [])].join(",");
}
