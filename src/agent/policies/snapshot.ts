import { createHash } from "node:crypto";
import {
  type ComputedRevisions,
  decodeGroup,
  decodeNetworkPolicy,
  encodeGroup,
  encodeGroupMember,
  encodeNetworkPolicy,
  type Group,
  type GroupMember,
  type GroupResource,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import type { PolicyAllocations } from "#core/pipeline/policy/index.ts";
import { errorCode, errorMessage, type Files, systemFiles } from "#lib/runtime/index.ts";
import { DamagedSnapshot } from "./errors.ts";

/** All that the agent enforces, and the numbers it gave away for it: enough to go on without a controller, and without a change of flows. */
export interface PolicySnapshot {
  readonly policies: readonly NetworkPolicy[];
  readonly addressGroups: readonly Group[];
  readonly appliedToGroups: readonly Group[];
  readonly allocations: PolicyAllocations;
  /** Interfaces whose pods' policies were known. */
  readonly openPorts: readonly string[];
  /** How far the controller had computed it, where it says so. */
  readonly computed?: ComputedRevisions | undefined;
}

const format = "antrea-policy-snapshot/3";

/**
 * Writes a snapshot whole or not at all; on failure nothing of it takes room. The first line is its format and checksum, the second its content. Resolves with
 * its length. What was written before of the same policy, group or member of a group, the same object, is not encoded again.
 */
export async function writeSnapshot(file: string, snapshot: PolicySnapshot, files: Files = systemFiles): Promise<number> {
  const parts = {
    policies: `[${snapshot.policies.map((policy) => textOf(policy, encodeNetworkPolicy)).join(",")}]`,
    addressGroups: groupsText("addressgroups", snapshot.addressGroups),
    appliedToGroups: groupsText("appliedtogroups", snapshot.appliedToGroups),
    allocations: JSON.stringify(snapshot.allocations),
    openPorts: JSON.stringify(snapshot.openPorts),
    ...(snapshot.computed !== undefined && { computed: JSON.stringify(snapshot.computed) }),
  };
  const content = `{${Object.entries(parts)
    .map(([name, text]) => `"${name}":${text}`)
    .join(",")}}`;
  await files.replace(file, `${format} ${checksum(content)}\n${content}\n`, { durable: true });
  return content.length;
}

/** Texts of policies, groups and groups' members, which never change: another one takes their place. A group that one pod joined is not encoded anew for all others in it. */
const texts = new WeakMap<NetworkPolicy | Group | GroupMember, string>();
/** Of a larger group the text is put together each time: there are few of them, and each would be in memory once more. */
const rememberedMembers = 500;

function textOf<Item extends NetworkPolicy | GroupMember>(item: Item, encode: (item: Item) => unknown): string {
  const text = texts.get(item) ?? JSON.stringify(encode(item));
  texts.set(item, text);
  return text;
}

function groupsText(resource: GroupResource, groups: readonly Group[]): string {
  return `[${groups.map((group) => groupText(resource, group)).join(",")}]`;
}

function groupText(resource: GroupResource, group: Group): string {
  const known = texts.get(group);
  if (known !== undefined) return known;
  const empty = JSON.stringify(encodeGroup(resource, { ...group, members: [] }));
  const members = group.members.map((member) => textOf(member, encodeGroupMember));
  const text = members.length === 0 ? empty : `${empty.slice(0, -1)},"groupMembers":[${members.join(",")}]}`;
  if (members.length <= rememberedMembers) texts.set(group, text);
  return text;
}

/** Reads a snapshot; undefined when there is none. Throws {@link DamagedSnapshot} when it is not what was written. */
export async function readSnapshot(file: string, files: Files = systemFiles): Promise<PolicySnapshot | undefined> {
  let text: string;
  try {
    text = await files.read(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const [header = "", content = ""] = text.split("\n", 2);
  if (header !== `${format} ${checksum(content)}`) throw new DamagedSnapshot(file, "the checksum is wrong");
  return decoded(file, JSON.parse(content));
}

/** A snapshot as a start finds it. */
export interface FoundSnapshot {
  readonly snapshot: PolicySnapshot | undefined;
  /** Why there is none, when one was there; it stands beside, out of the way of the next one. */
  readonly problem: string | undefined;
}

/** Reads a snapshot for a start, which goes on without it: one that is damaged is set aside as `FILE.damaged`, for whoever looks into it. */
export async function findSnapshot(file: string, files: Files = systemFiles): Promise<FoundSnapshot> {
  try {
    return { snapshot: await readSnapshot(file, files), problem: undefined };
  } catch (error) {
    const aside = `${file}.damaged`;
    const moved = await files.rename(file, aside).then(
      () => `; it is kept as ${aside}`,
      () => "",
    );
    return { snapshot: undefined, problem: `${errorMessage(error)}${moved}` };
  }
}

function decoded(file: string, value: unknown): PolicySnapshot {
  const { policies, addressGroups, appliedToGroups, allocations, openPorts, computed } = value as {
    readonly policies: readonly unknown[];
    readonly addressGroups: readonly unknown[];
    readonly appliedToGroups: readonly unknown[];
    readonly allocations: PolicyAllocations;
    readonly openPorts: readonly string[];
    readonly computed?: ComputedRevisions;
  };
  const all = <T>(
    items: readonly unknown[],
    decode: (item: unknown) => { ok: true; value: T } | { ok: false; path: string; reason: string },
  ): T[] =>
    items.map((item) => {
      const result = decode(item);
      if (!result.ok) throw new DamagedSnapshot(file, `${result.path}: ${result.reason}`);
      return result.value;
    });
  return {
    policies: all(policies, decodeNetworkPolicy),
    addressGroups: all(addressGroups, decodeGroup),
    appliedToGroups: all(appliedToGroups, decodeGroup),
    allocations,
    openPorts,
    computed,
  };
}

const checksum = (content: string): string => createHash("sha256").update(content).digest("hex");
