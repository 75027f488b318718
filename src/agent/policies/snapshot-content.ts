import {
  decodeComputedRevisions,
  type Decoded,
  decodeGroup,
  decodeNetworkPolicy,
  encodeGroup,
  encodeNetworkPolicy,
  type Group,
  type GroupResource,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import { decodeAllocations, type PolicyAllocations } from "#core/pipeline/policy/index.ts";
import { memberLines } from "./member-lines.ts";
import type { PolicySnapshot } from "./snapshot.ts";
import { type Line, type LineKind, lineOf, type ReadLine } from "./snapshot-lines.ts";

/** What a snapshot says, line by line. Lines of objects that were there before, the same ones, are the same lines. */
export function linesOf({ policies, addressGroups, appliedToGroups, allocations, openPorts, computed }: PolicySnapshot): readonly Line[] {
  return [
    ...policies.map((policy) => kept(policyLines, policy, () => lineOf("policy", JSON.stringify(encodeNetworkPolicy(policy))))),
    ...addressGroups.flatMap((group) => kept(addressGroupLines, group, () => groupLines("addressgroups", group))),
    ...appliedToGroups.flatMap((group) => kept(appliedToGroupLines, group, () => groupLines("appliedtogroups", group))),
    kept(allocationLines, allocations, () => lineOf("allocations", JSON.stringify(allocations))),
    lineOf("openPorts", JSON.stringify(openPorts)),
    ...(computed === undefined ? [] : [lineOf("computed", JSON.stringify(computed))]),
  ];
}

/** None of these objects ever changes: another one takes its place. */
const policyLines = new WeakMap<NetworkPolicy, Line>();
const addressGroupLines = new WeakMap<Group, readonly Line[]>();
const appliedToGroupLines = new WeakMap<Group, readonly Line[]>();
const allocationLines = new WeakMap<PolicyAllocations, Line>();

function kept<Item extends object, Said>(said: WeakMap<Item, Said>, item: Item, say: () => Said): Said {
  const before = said.get(item);
  if (before !== undefined) return before;
  const now = say();
  said.set(item, now);
  return now;
}

function groupLines(resource: GroupResource, group: Group): readonly Line[] {
  const kind = resource === "addressgroups" ? "addressGroup" : "appliedToGroup";
  return [lineOf(kind, JSON.stringify(encodeGroup(resource, { ...group, members: [] }))), ...memberLines(group.members)];
}

/** What was read of a snapshot, of whatever form its values are. */
export interface UnreadSnapshot {
  readonly policies: readonly unknown[];
  readonly addressGroups: readonly unknown[];
  readonly appliedToGroups: readonly unknown[];
  readonly allocations: unknown;
  readonly openPorts: unknown;
  readonly computed: unknown;
}

/** Puts lines together; a text says why they are no snapshot. Total. */
export function gathered(lines: readonly ReadLine[]): UnreadSnapshot | string {
  const found = { policies: [] as unknown[], addressGroups: [] as unknown[], appliedToGroups: [] as unknown[] };
  const once = new Map<LineKind, unknown>();
  let group: unknown[] | undefined;
  for (const { kind, value } of lines) {
    if (kind === "members") {
      if (group === undefined || !Array.isArray(value)) return "there are members of no group";
      for (const member of value) group.push(member);
      continue;
    }
    group = undefined;
    if (kind === "policy") found.policies.push(value);
    else if (kind === "addressGroup" || kind === "appliedToGroup") {
      group = [];
      found[`${kind}s`].push({ ...(value as object), groupMembers: group });
    } else if (once.has(kind)) return `there are ${kind} twice`;
    else once.set(kind, value);
  }
  return { ...found, allocations: once.get("allocations"), openPorts: once.get("openPorts"), computed: once.get("computed") };
}

/** The snapshot. Throws what `damaged` makes of the reason why it is none, and nothing else. */
export function decodeSnapshot(unread: UnreadSnapshot, damaged: (problem: string) => Error): PolicySnapshot {
  const valid = <Value>(decoded: Decoded<Value>): Value => {
    if (decoded.ok) return decoded.value;
    throw damaged(`${decoded.path}: ${decoded.reason}`);
  };
  const { openPorts, computed } = unread;
  if (!isTexts(openPorts)) throw damaged("openPorts: is no list of names");
  return {
    policies: unread.policies.map((policy) => valid(decodeNetworkPolicy(policy))),
    addressGroups: unread.addressGroups.map((group) => valid(decodeGroup(group))),
    appliedToGroups: unread.appliedToGroups.map((group) => valid(decodeGroup(group))),
    allocations: valid(decodeAllocations(unread.allocations)),
    openPorts,
    computed: computed === undefined ? undefined : valid(decodeComputedRevisions(JSON.stringify(computed))),
  };
}

const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((item) => typeof item === "string");
