import { hash } from "node:crypto";
import { encodeNetworkPolicy } from "./encode.ts";
import { memberKey } from "./member-key.ts";
import type { GroupMember, NetworkPolicy } from "./types.ts";

/** 16 hex digits, equal for equal content: of what a controller has computed, and of what an agent has read of it. */
export function policyRevision({ staged, ...policy }: NetworkPolicy): string {
  return hash("sha256", `${staged === true ? "staged " : ""}${inOrder(encodeNetworkPolicy(policy))}`, "hex").slice(0, 16);
}

/** JSON with the fields of objects by name. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

/**
 * 16 hex digits, equal for equal sets of members in any order. Both sides of a patch can keep it current: adding and removing a member are the
 * same exclusive or with {@link memberRevision}.
 */
export function groupRevision(members: Iterable<GroupMember>): string {
  let combined = 0n;
  for (const member of members) combined ^= memberRevision(member);
  return combined.toString(16).padStart(16, "0");
}

/** 64 bits of one member's content. */
export function memberRevision(member: GroupMember): bigint {
  return BigInt(`0x${hash("sha256", memberKey(member), "hex").slice(0, 16)}`);
}
