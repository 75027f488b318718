import type { SubresourceHandler } from "#lib/apiserver/subresource.ts";
import { success } from "./binding.ts";

/** `pods/eviction`, as `kubectl drain` asks. There are no disruption budgets in this lab: every eviction is a deletion. */
export const eviction: SubresourceHandler = {
  kind: "Eviction",
  group: "policy",
  version: "v1",
  verbs: ["create"],
  async create({ objects, key, ...context }, body) {
    const { deleteOptions = {} } = body as { readonly deleteOptions?: { readonly gracePeriodSeconds?: number } };
    await objects.delete({ group: "", resource: "pods" }, key, deleteOptions, context);
    return success;
  },
};
