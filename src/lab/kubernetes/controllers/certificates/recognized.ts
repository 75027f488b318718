import { type ReadSigningRequest, readSigningRequest } from "#lib/apiserver/signing-request-read.ts";
import {
  apiServerClientSigner,
  type CertificateSigningRequest,
  kubeletClientSigner,
  kubeletServingSigner,
} from "../../kinds/certificate/types.ts";

/** A request that one of Kubernetes' own signers may answer, or what is wrong with it. */
export type Recognized = { readonly request: ReadSigningRequest; readonly usage: "client" | "server" } | { readonly problem: string };

/** What every certificate may be good for beside its purpose. */
const harmless = ["digital signature", "key encipherment"];

/** Judges a request by the rules of its signer (Kubernetes' reference on certificate signing requests); undefined for signers that are somebody else's. */
export function recognize({ spec }: CertificateSigningRequest): Recognized | undefined {
  const judge = judges[spec.signerName];
  if (judge === undefined) return undefined;
  const reading = readSigningRequest(Buffer.from(spec.request, "base64").toString("latin1"));
  if ("problem" in reading) return reading;
  const { request } = reading;
  const usage = spec.signerName === kubeletServingSigner ? "server" : "client";
  const others = spec.usages.filter((one) => !harmless.includes(one) && one !== `${usage} auth`);
  const problems = [
    ...(spec.usages.includes(`${usage} auth`) ? [] : [`usages did not contain ${usage} auth`]),
    ...others.map((one) => `invalid usage for ${usage} certificate: ${one}`),
    ...judge(request),
  ];
  return problems.length === 0 ? { request, usage } : { problem: problems.join("; ") };
}

const judges: Readonly<Record<string, (request: ReadSigningRequest) => readonly string[]>> = {
  [apiServerClientSigner]: () => [],
  [kubeletClientSigner]: (request) => [
    ...nodeProblems(request),
    ...(request.dnsNames.length + request.addresses.length + request.otherNames > 0 ? ["names of hosts are not allowed"] : []),
  ],
  [kubeletServingSigner]: (request) => [
    ...nodeProblems(request),
    ...(request.dnsNames.length + request.addresses.length === 0 ? ["a DNS name or an address is required"] : []),
    ...(request.otherNames > 0 ? ["only DNS names and addresses are allowed"] : []),
  ],
};

const nodeProblems = ({ commonName, organizations }: ReadSigningRequest): readonly string[] => [
  ...(organizations.length === 1 && organizations[0] === "system:nodes" ? [] : ["subject organization is not system:nodes"]),
  ...(/^system:node:./.test(commonName) ? [] : ["subject common name does not begin with system:node:"]),
];
