import { hash } from "node:crypto";
import { encodeNetworkPolicy } from "./encode.ts";
import { memberKey } from "./member-key.ts";
import type { GroupMember, NetworkPolicy } from "./types.ts";

/** 16 hex digits, equal for equal content. */
export function policyRevision(policy: NetworkPolicy): string {
  return hash("sha256", JSON.stringify(encodeNetworkPolicy(policy)), "hex").slice(0, 16);
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
