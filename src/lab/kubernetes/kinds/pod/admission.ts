import { createHash } from "node:crypto";
import { forbidden } from "#lib/apiserver/errors.ts";
import type { Draft, HookContext } from "#lib/apiserver/resource.ts";
import { qosClassOf } from "#lib/kube/qos.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { containersOf, type FullPod, type FullPodSpec, type Toleration } from "./types.ts";

const tokenFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Seconds that a pod stays on a node that is lost, unless it says otherwise. */
const lostNodeSeconds = 300;
/** Seconds a token in a pod is valid: an hour and a little for the renewal. */
const tokenSeconds = 3607;

/** What an API server adds to a new pod: its service account with a token to mount, tolerations of lost nodes, quality class, first status. */
export function admitPod(pod: Draft<FullPod>, context: HookContext): void {
  const { spec } = pod;
  spec.serviceAccountName ??= "default";
  spec.serviceAccount = spec.serviceAccountName;
  spec.priority ??= 0;
  spec.preemptionPolicy ??= "PreemptLowerPriority";
  tolerateLostNodes(spec);
  mountToken(pod, context);
  pod.status = { phase: "Pending", qosClass: qosClassOf(containersOf(spec)) };
}

function tolerateLostNodes(spec: Draft<FullPodSpec>): void {
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    const tolerated = ({ key: other = "", effect = "" }: Toleration): boolean =>
      ["", key].includes(other) && ["", "NoExecute"].includes(effect);
    if (spec.tolerations?.some(tolerated)) continue;
    spec.tolerations = [...(spec.tolerations ?? []), { key, operator: "Exists", effect: "NoExecute", tolerationSeconds: lostNodeSeconds }];
  }
}

function mountToken(pod: Draft<FullPod>, context: HookContext): void {
  const { spec, metadata } = pod;
  const name = spec.serviceAccountName ?? "default";
  const account = context.get({ group: "", resource: "serviceaccounts" }, { namespace: metadata.namespace ?? "", name });
  // The default account of a new namespace is made a moment later; the kubelet waits for it.
  if (account === undefined && name !== "default")
    throw forbidden(
      { group: "", resource: "pods" },
      metadata.name ?? "",
      `error looking up service account ${metadata.namespace}/${name}: serviceaccount "${name}" not found`,
    );
  const wanted =
    spec.automountServiceAccountToken ??
    (account as ({ automountServiceAccountToken?: boolean } & KubeObject) | undefined)?.automountServiceAccountToken;
  if (wanted === false) return;
  const containers = [...(spec.initContainers ?? []), ...spec.containers].filter(
    ({ volumeMounts = [] }) => !volumeMounts.some(({ mountPath }) => mountPath === tokenFolder),
  );
  if (containers.length === 0) return;
  const volume = `kube-api-access-${suffixFor(metadata)}`;
  for (const container of containers)
    container.volumeMounts = [...(container.volumeMounts ?? []), { name: volume, readOnly: true, mountPath: tokenFolder }];
  spec.volumes = [...(spec.volumes ?? []), { name: volume, projected: tokenSources() }];
}

function tokenSources() {
  return {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { expirationSeconds: tokenSeconds, path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
    ],
  };
}

/** Five letters or digits: the same for the same pod. */
function suffixFor({ uid = "", name = "" }: { readonly uid?: string; readonly name?: string }): string {
  return BigInt(`0x${createHash("sha256").update(`${uid}/${name}`).digest("hex").slice(0, 16)}`)
    .toString(36)
    .padStart(5, "0")
    .slice(-5);
}
