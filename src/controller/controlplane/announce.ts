import type { AddressGroupChange, AppliedToGroupChange, MemberChanges, PolicyChange } from "#core/policy/index.ts";
import {
  type GroupIdentity,
  type GroupResource,
  groupMessage,
  type Message,
  patchMessage,
  policyMessage,
  removedGroupMessage,
  removedPolicyMessage,
} from "./messages.ts";
import { once } from "./once.ts";
import type { Announcement } from "./watchers.ts";

export function announcePolicy(change: PolicyChange): Announcement {
  const { name, event, contentChanged, span, gained, lost } = change;
  const full = once(() => policyMessage(change.row));
  const removed = once(() => removedPolicyMessage(change.row));
  return { name, event, span, gained, lost, full, removed, modified: () => (contentChanged ? full() : undefined) };
}

export function announceAddressGroup(change: AddressGroupChange): Announcement {
  const { name, uid, event, span, gained, lost } = change;
  return {
    name,
    event,
    span,
    gained,
    lost,
    full: once(() => groupMessage("addressgroups", () => change.group())),
    removed: once(() => removedGroupMessage("addressgroups", { name, uid })),
    modified: once(() => patch("addressgroups", { name, uid }, change)),
  };
}

/** Every node is told of its own members only. */
export function announceAppliedToGroup(change: AppliedToGroupChange): Announcement {
  const { name, uid, event, span, gained, lost, byNode, everywhere } = change;
  return {
    name,
    event,
    span,
    gained,
    lost,
    full: (node) => groupMessage("appliedtogroups", () => change.group(node)),
    removed: once(() => removedGroupMessage("appliedtogroups", { name, uid })),
    modified: (node) => patch("appliedtogroups", { name, uid }, node === undefined ? everywhere : byNode.get(node)),
  };
}

function patch(resource: GroupResource, identity: GroupIdentity, changes: MemberChanges | undefined): Message | undefined {
  if (changes === undefined || (changes.added.length === 0 && changes.removed.length === 0)) return undefined;
  return patchMessage(resource, { ...identity, added: changes.added, removed: changes.removed });
}
