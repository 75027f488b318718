import { isDeepStrictEqual } from "node:util";
import type { KubeClient } from "#lib/kube/client.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { identityOf, type KubeletPod, type PodStatus } from "./pod.ts";

/** The newest state of each pod that the API has told us, be it by the watch or in answer to a write of ours. */
export interface PodRecords {
  get(uid: string): KubeletPod | undefined;
  all(): Iterable<KubeletPod>;
  /** Takes `pod` unless a newer one is known. */
  note(pod: KubeletPod): void;
  forget(uid: string): void;
}

export function createPodRecords(): PodRecords {
  const newest = new Map<string, KubeletPod>();
  return {
    get: (uid) => newest.get(uid),
    all: () => newest.values(),
    note(pod) {
      const uid = pod.metadata.uid ?? "";
      const known = newest.get(uid);
      if (known === undefined || isNewer(pod, known)) newest.set(uid, pod);
    },
    forget: (uid) => void newest.delete(uid),
  };
}

/** Resource versions of one API server grow; compared by length first, as they may exceed what a number holds. */
function isNewer(a: KubeletPod, b: KubeletPod): boolean {
  const [left, right] = [a.metadata.resourceVersion ?? "", b.metadata.resourceVersion ?? ""];
  return left.length === right.length ? left > right : left.length > right.length;
}

/**
 * Writes `status` if it differs from what the API has. The pod's resourceVersion goes with it, so that conditions which others wrote
 * meanwhile are not lost: a conflict throws, and the pod is looked at again.
 */
export async function writeStatus(client: KubeClient, records: PodRecords, pod: KubeletPod, status: PodStatus): Promise<void> {
  const { namespace, name, uid } = identityOf(pod);
  const before: Readonly<Record<string, unknown>> = { ...pod.status };
  const after: Readonly<Record<string, unknown>> = status;
  const dropped = ["reason", "message", "podIP", "podIPs"].filter((field) => field in before && !(field in after));
  if (dropped.length === 0 && Object.keys(after).every((field) => isDeepStrictEqual(plain(after[field]), plain(before[field])))) return;
  const patch = {
    metadata: { uid, resourceVersion: pod.metadata.resourceVersion },
    status: { ...after, ...Object.fromEntries(dropped.map((field) => [field, null])) },
  };
  try {
    records.note((await client.patch(pods, { namespace, name, subresource: "status" }, patch)) as KubeletPod);
  } catch (error) {
    // deleted meanwhile: the watch will say so
    if (!isNotFound(error)) throw error;
  }
}

/** As it looks after the way through JSON, without the nulls that a merge patch takes away. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value, (_key, part: unknown) => (part === null ? undefined : part)));
}
