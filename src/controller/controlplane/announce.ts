import type { AddressGroupChange, AppliedToGroupChange, MemberChanges, PolicyChange } from "#core/policy/index.ts";
import {
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
  const { name, event, row, contentChanged, span, gained, lost } = change;
  const full = once(() => policyMessage(row));
  const removed = once(() => removedPolicyMessage(row));
  return { name, event, span, gained, lost, full, removed, modified: () => (contentChanged ? full() : undefined) };
}

export function announceAddressGroup(change: AddressGroupChange): Announcement {
  const { name, event, span, gained, lost, group } = change;
  return {
    name,
    event,
    span,
    gained,
    lost,
    full: once(() => groupMessage("addressgroups", group)),
    removed: once(() => removedGroupMessage("addressgroups", name)),
    modified: once(() => patch("addressgroups", name, change)),
  };
}

/** Every node is told of its own members only. */
export function announceAppliedToGroup(change: AppliedToGroupChange): Announcement {
  const { name, event, span, gained, lost, group, byNode, everywhere } = change;
  return {
    name,
    event,
    span,
    gained,
    lost,
    full: (node) => groupMessage("appliedtogroups", () => group(node)),
    removed: once(() => removedGroupMessage("appliedtogroups", name)),
    modified: (node) => patch("appliedtogroups", name, node === undefined ? everywhere : byNode.get(node)),
  };
}

function patch(resource: GroupResource, name: string, changes: MemberChanges | undefined): Message | undefined {
  if (changes === undefined || (changes.added.length === 0 && changes.removed.length === 0)) return undefined;
  return patchMessage(resource, { name, uid: name, added: changes.added, removed: changes.removed });
}
