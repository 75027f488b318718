import { createSigningRequest } from "#lib/apiserver/signing-request.ts";
import { isConflict, type KubeClient } from "#lib/kube/index.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { CertificateNotIssued } from "../errors.ts";
import { type CertificateSigningRequest, certificateSigningRequests, hasCondition } from "../kubernetes/kinds/certificate/types.ts";

/** A certificate of the cluster's making and its key, both PEM. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface NodeCertificates {
  /** By which the kubelet is known to the API server: the user `system:node:NAME`, who may do what that node needs. */
  readonly client: IssuedCertificate;
  /** What the kubelet shows the API server. */
  readonly serving: IssuedCertificate;
}

/** How long a cluster may take to sign: kube-controller-manager does at once, a cluster whose signer is down never. */
const signingTime = seconds(15);

/**
 * Certificates for the kubelet of node `name`, from the cluster's own signers: asked for and collected as `asker`, approved and removed as `approver`.
 * Throws what the API says (a cluster may lack the kind, a user the right), or CertificateNotIssued.
 */
export async function issueNodeCertificates(options: {
  readonly runtime: Pick<Runtime, "clock">;
  /** The node itself, where it is known already; else whoever brings it into the cluster. */
  readonly asker: Pick<KubeClient, "create" | "get">;
  readonly approver: Pick<KubeClient, "get" | "update" | "delete">;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
}): Promise<NodeCertificates> {
  const { name, addresses, ...api } = options;
  const node = { commonName: `system:node:${name}`, organizations: ["system:nodes"] };
  const client = await issue({
    ...api,
    name: `${name}-client`,
    subject: node,
    signer: "kube-apiserver-client-kubelet",
    usage: "client auth",
  });
  const hosts = [name, ...addresses];
  const serving = await issue({
    ...api,
    name: `${name}-serving`,
    subject: { ...node, hosts },
    signer: "kubelet-serving",
    usage: "server auth",
  });
  return { client, serving };
}

async function issue(options: {
  readonly runtime: Pick<Runtime, "clock">;
  readonly asker: Pick<KubeClient, "create" | "get">;
  readonly approver: Pick<KubeClient, "get" | "update" | "delete">;
  readonly name: string;
  readonly subject: Parameters<typeof createSigningRequest>[0];
  readonly signer: string;
  readonly usage: string;
  readonly signal: AbortSignal;
}): Promise<IssuedCertificate> {
  const { runtime, asker, approver, name, subject, signer, usage, signal } = options;
  const { request, key } = createSigningRequest(subject);
  const asked = await asker.create(certificateSigningRequests, {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { generateName: `${name}-` },
    spec: {
      request: Buffer.from(request).toString("base64"),
      signerName: `kubernetes.io/${signer}`,
      usages: ["digital signature", usage],
    },
  });
  const target = { name: asked.metadata.name ?? "" };
  try {
    await approve(approver, asked);
    const certificate = await collect({ runtime, asker, target, signer, signal });
    return { certificate, key };
  } finally {
    // Nobody needs it any more; where this fails, the cluster forgets it by itself.
    await approver.delete(certificateSigningRequests, target).catch(() => {});
  }
}

/** A conflict is met so often, and no more: the object is new, and hardly anybody writes it. */
const approvals = 5;

/** Approves it unless somebody has: clusters approve by themselves what they know of nodes, and may be first. */
async function approve(approver: Pick<KubeClient, "get" | "update">, asked: CertificateSigningRequest): Promise<void> {
  const approved = { type: "Approved", status: "True", reason: "LabNode", message: "a node of a lab that joins this cluster" };
  for (let present = asked, attempt = 1; !hasCondition(present, "Approved"); attempt++) {
    const conditions = [...(present.status?.conditions ?? []), approved];
    try {
      await approver.update(certificateSigningRequests, { ...present, status: { conditions } }, { subresource: "approval" });
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === approvals) throw error;
      present = await approver.get(certificateSigningRequests, { name: asked.metadata.name ?? "" });
    }
  }
}

async function collect(options: {
  readonly runtime: Pick<Runtime, "clock">;
  readonly asker: Pick<KubeClient, "get">;
  readonly target: { readonly name: string };
  readonly signer: string;
  readonly signal: AbortSignal;
}): Promise<string> {
  const { runtime, asker, target, signer, signal } = options;
  const until = runtime.clock.monotonic() + signingTime;
  for (;;) {
    const { status } = await asker.get(certificateSigningRequests, target);
    if (status?.certificate !== undefined) return Buffer.from(status.certificate, "base64").toString();
    const refused = status?.conditions?.find(({ type }) => type === "Failed" || type === "Denied");
    if (refused !== undefined) throw new CertificateNotIssued(signer, refused.message ?? refused.type);
    if (runtime.clock.monotonic() > until) throw new CertificateNotIssued(signer, `nothing signed within ${signingTime / 1_000} s`);
    await sleep(runtime.clock, milliseconds(100), signal);
  }
}
