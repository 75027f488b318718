import type { ListMeta } from "#lib/kube/types.ts";
import type { StoreList } from "../resource-store.ts";

/** The `metadata` of a list. */
export function listMetaOf({ resourceVersion, continue: token, remainingItemCount }: StoreList): ListMeta {
  return {
    resourceVersion,
    ...(token === undefined ? {} : { continue: token }),
    ...(remainingItemCount === undefined ? {} : { remainingItemCount }),
  };
}
