import type { AddressGroup } from "./address-group.ts";
import type { AppliedToGroup } from "./applied-to-group.ts";
import type { Audience } from "./audience.ts";
import type { PolicyEntry } from "./policy-entry.ts";

/** The audiences that something on `node` is of: `subjects` are the applied-to groups that are on it. */
export function audiencesOn(subjects: ReadonlySet<AppliedToGroup>, node: string): ReadonlySet<Audience> {
  const audiences = new Set<Audience>(subjects);
  for (const { joint } of subjects) for (const audience of joint ?? []) if (audience.span.has(node)) audiences.add(audience);
  return audiences;
}

/** Each once, as a policy has one audience. */
export function* policiesFor(audiences: Iterable<Audience>): Generator<PolicyEntry, void> {
  for (const { policies } of audiences) yield* policies;
}

/** The groups that policies name as peers, each once. */
export function peersOf(policies: Iterable<PolicyEntry>): ReadonlySet<AddressGroup> {
  const groups = new Set<AddressGroup>();
  for (const { now } of policies) for (const group of now?.peers ?? []) groups.add(group);
  return groups;
}
