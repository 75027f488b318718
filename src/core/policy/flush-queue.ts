import type { AddressGroup } from "./address-group.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import { type Audience, JointAudience } from "./audience.ts";
import type { PolicyChanges } from "./changes.ts";
import type { PolicyContent, PolicyEntry } from "./policy-entry.ts";

/** Called for what nobody uses any more. */
export interface Forgetting {
  policy(entry: PolicyEntry): void;
  addressGroup(group: AddressGroup): void;
  audience(audience: JointAudience): void;
  appliedToGroup(group: AppliedToGroup): void;
}

/** What may have to be told in the next flush, each once. */
export class FlushQueue {
  private policies: PolicyEntry[] = [];
  private joint: JointAudience[] = [];
  private addressGroups: AddressGroup[] = [];
  private appliedToGroups: AppliedToGroup[] = [];

  policy(entry: PolicyEntry): void {
    if (entry.queued) return;
    entry.queued = true;
    this.policies.push(entry);
  }

  addressGroup(group: AddressGroup): void {
    if (group.queued) return;
    group.queued = true;
    this.addressGroups.push(group);
  }

  appliedToGroup(group: AppliedToGroup): void {
    if (group.queued) return;
    group.queued = true;
    this.appliedToGroups.push(group);
  }

  /** All that a policy of this content holds on to. */
  usesOf(content: PolicyContent | undefined): void {
    if (content === undefined) return;
    const { audience, peers } = content;
    if (audience instanceof AppliedToGroup) this.appliedToGroup(audience);
    else if (audience instanceof JointAudience) {
      this.jointAudience(audience);
      for (const group of audience.groups) this.appliedToGroup(group);
    }
    for (const group of peers) this.addressGroup(group);
  }

  /** Spans follow one from the other: applied-to groups, audiences, then policies and address groups. */
  updateSpans(): void {
    for (const group of this.appliedToGroups) {
      if (!group.update()) continue;
      this.moved(group);
      for (const audience of group.joint) this.jointAudience(audience);
    }
    for (const audience of this.joint) if (audience.update()) this.moved(audience);
  }

  /** In the order in which they were queued, without those of which there is nothing to tell. */
  publish(): PolicyChanges {
    return {
      policies: told(this.policies, (entry) => entry.publish()),
      addressGroups: told(this.addressGroups, (group) => group.publish()),
      appliedToGroups: told(this.appliedToGroups, (group) => group.publish()),
    };
  }

  /** Everything is published; what nobody uses any more is to be forgotten. */
  settle(forget: Forgetting): void {
    for (const entry of this.policies) {
      entry.queued = false;
      if (entry.now === undefined) forget.policy(entry);
    }
    for (const group of this.addressGroups) {
      group.queued = false;
      group.settle();
      if (!group.used) forget.addressGroup(group);
    }
    for (const audience of this.joint) {
      audience.queued = false;
      audience.settle();
      if (audience.policies.size === 0) forget.audience(audience);
    }
    for (const group of this.appliedToGroups) {
      group.queued = false;
      group.settle();
      if (!group.used) forget.appliedToGroup(group);
    }
    this.policies = [];
    this.addressGroups = [];
    this.joint = [];
    this.appliedToGroups = [];
  }

  private jointAudience(audience: JointAudience): void {
    if (audience.queued) return;
    audience.queued = true;
    this.joint.push(audience);
  }

  private moved(audience: Audience): void {
    for (const entry of audience.policies) {
      this.policy(entry);
      for (const group of entry.now?.peers ?? []) {
        if (group.published) group.audienceMoved(audience);
        this.addressGroup(group);
      }
    }
  }
}

function told<Item, Change>(items: readonly Item[], publish: (item: Item) => Change | undefined): Change[] {
  const changes: Change[] = [];
  for (const item of items) {
    const change = publish(item);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}
