import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import { readSigningRequest } from "#lib/apiserver/signing-request-read.ts";
import { checkUnchanged, checkUnique, same } from "../rules.ts";
import type { CertificateSigningRequest } from "./types.ts";

const usages = [
  ...["any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only"],
  ...["digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement"],
  ...["key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"],
];

/** The shortest life that may be asked for, in seconds. */
const shortestLife = 600;
const decisions = ["Approved", "Denied"];
/** Once said they stay. */
const lasting = [...decisions, "Failed"];

/** Rules of a request; `subresource` is the one by which it is written. */
export function checkRequest(request: CertificateSigningRequest, subresource: string, old?: CertificateSigningRequest): FieldError[] {
  const { spec, status = {} } = request;
  const certificateChanged = old !== undefined && !same(status.certificate, old.status?.certificate);
  return [
    ...(old === undefined ? checkSpec(spec) : checkUnchanged("spec", spec, old.spec)),
    ...checkConditions(request, subresource, old),
    ...(certificateChanged && subresource !== "status"
      ? [forbiddenField("status.certificate", "updates may not set certificate content")]
      : []),
    ...(certificateChanged && old.status?.certificate
      ? [forbiddenField("status.certificate", "updates may not modify existing certificate content")]
      : []),
  ];
}

function checkSpec({ request, signerName, usages: asked, expirationSeconds }: CertificateSigningRequest["spec"]): FieldError[] {
  const reading = readSigningRequest(Buffer.from(request, "base64").toString("latin1"));
  const [domain = "", path = ""] = [signerName.slice(0, signerName.indexOf("/")), signerName.slice(signerName.indexOf("/") + 1)];
  const isSigner = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(domain) && domain.includes(".") && /^[A-Za-z0-9._/-]+$/.test(path);
  return [
    ...("problem" in reading ? [invalid("spec.request", request, reading.problem)] : []),
    ...(asked.length === 0 ? [required("spec.usages")] : []),
    ...asked.flatMap((usage, index) => (usages.includes(usage) ? [] : [notSupported(`spec.usages[${index}]`, usage, usages)])),
    ...checkUnique(asked, (usage, index) => ({ path: `spec.usages[${index}]`, value: usage })),
    ...(isSigner
      ? []
      : [invalid("spec.signerName", signerName, "must be a fully qualified domain and path of the form 'example.com/signer-name'")]),
    ...(expirationSeconds !== undefined && expirationSeconds < shortestLife
      ? [invalid("spec.expirationSeconds", expirationSeconds, `may not specify a duration less than ${shortestLife} seconds (10 minutes)`)]
      : []),
  ];
}

function checkConditions(request: CertificateSigningRequest, subresource: string, old?: CertificateSigningRequest): FieldError[] {
  const path = "status.conditions";
  const conditions = request.status?.conditions ?? [];
  const of = (one: CertificateSigningRequest | undefined, type: string) =>
    one?.status?.conditions?.find((condition) => condition.type === type);
  const types = conditions.map(({ type }) => type);
  return [
    ...conditions.flatMap(({ type, status }, index): FieldError[] => [
      ...(type === "" ? [required(`${path}[${index}].type`)] : []),
      ...(types.indexOf(type) < index ? [duplicate(`${path}[${index}].type`, type)] : []),
      ...(lasting.includes(type) && status !== "True" ? [notSupported(`${path}[${index}].status`, status, ["True"])] : []),
    ]),
    ...(decisions.every((type) => types.includes(type))
      ? [invalid(path, "Denied", "Approved and Denied conditions are mutually exclusive")]
      : []),
    ...(old === undefined ? [] : lasting).flatMap((type) => {
      const [before, after] = [of(old, type), of(request, type)];
      if (before !== undefined && after === undefined)
        return [forbiddenField(path, `updates may not remove a condition of type ${JSON.stringify(type)}`)];
      const decided = decisions.includes(type) && subresource !== "approval" && !same(before, after);
      return decided
        ? [forbiddenField(path, `updates may not ${before === undefined ? "add" : "modify"} a condition of type ${JSON.stringify(type)}`)]
        : [];
    }),
  ];
}
