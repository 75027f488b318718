import { badRequest, conflict } from "#lib/apiserver/errors.ts";
import { timestamp } from "#lib/apiserver/rules/create.ts";
import type { Draft, HookContext } from "#lib/apiserver/resource.ts";
import type { SubresourceHandler } from "#lib/apiserver/subresource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import type { FullPod } from "./types.ts";

const pods = { group: "", resource: "pods" };

/** The answer to a request that returns no object. */
export const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } as KubeObject;

/** `pods/binding`: the only way to give a pod its node. */
export const binding: SubresourceHandler = {
  kind: "Binding",
  group: "",
  version: "v1",
  verbs: ["create"],
  async create({ objects, key, ...context }, body) {
    const { target } = body as { readonly target?: { readonly kind?: string; readonly name?: string } };
    if (!target?.name || (target.kind ?? "Node") !== "Node") throw badRequest("target.name: the name of a Node is required");
    const { name: node } = target;
    const change = (draft: KubeObject): void => {
      const { spec, metadata } = draft as Draft<FullPod>;
      if (metadata.deletionTimestamp) throw conflict(pods, key.name, `pod ${key.name} is being deleted, cannot be assigned to a host`);
      if (spec.nodeName && spec.nodeName !== node)
        throw conflict(pods, key.name, `pod ${key.name} is already assigned to node "${spec.nodeName}"`);
      spec.nodeName = node;
    };
    await objects.update(pods, key, change as never, { ...context, subresource: "binding" });
    return success;
  },
};

/** What a pod's status says once it has its node. */
export function markScheduled(pod: Draft<FullPod>, { now }: HookContext): void {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
  pod.status = { ...pod.status, conditions: [...others, { type: "PodScheduled", status: "True", lastTransitionTime: timestamp(now) }] };
}
