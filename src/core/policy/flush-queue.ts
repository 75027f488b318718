import type { AddressGroup } from "./address-group.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import { type Audience, JointAudience } from "./audience.ts";
import type { PolicyChanges } from "./changes.ts";
import type { PolicyContent, PolicyEntry } from "./policy-entry.ts";
import { eachInSteps, type Steps } from "./steps.ts";

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
  *updateSpans(): Steps<void> {
    yield* eachInSteps(this.appliedToGroups, (group) => {
      if (!group.update()) return;
      this.moved(group);
      for (const audience of group.joint ?? []) this.jointAudience(audience);
    });
    yield* eachInSteps(this.joint, (audience) => {
      if (audience.update()) this.moved(audience);
    });
  }

  /** In the order in which they were queued, without those of which there is nothing to tell. */
  *publish(): Steps<PolicyChanges> {
    return {
      policies: yield* told(this.policies, (entry) => entry.publish()),
      addressGroups: yield* told(this.addressGroups, (group) => group.publish()),
      appliedToGroups: yield* told(this.appliedToGroups, (group) => group.publish()),
    };
  }

  /** Everything is published; what nobody uses any more is to be forgotten. */
  *settle(forget: Forgetting): Steps<void> {
    yield* eachInSteps(this.policies, (entry) => {
      entry.queued = false;
      if (entry.now === undefined) forget.policy(entry);
    });
    yield* eachInSteps(this.addressGroups, (group) => {
      group.queued = false;
      group.settle();
      if (!group.used) forget.addressGroup(group);
    });
    yield* eachInSteps(this.joint, (audience) => {
      audience.queued = false;
      audience.settle();
      if (audience.policies.size === 0) forget.audience(audience);
    });
    yield* eachInSteps(this.appliedToGroups, (group) => {
      group.queued = false;
      group.settle();
      if (!group.used) forget.appliedToGroup(group);
    });
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

function* told<Item, Change>(items: readonly Item[], publish: (item: Item) => Change | undefined): Steps<Change[]> {
  const changes: Change[] = [];
  yield* eachInSteps(items, (item) => {
    const change = publish(item);
    if (change !== undefined) changes.push(change);
  });
  return changes;
}
