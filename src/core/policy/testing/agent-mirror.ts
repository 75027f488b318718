import assert from "node:assert/strict";
import { type Group, memberKey, type NetworkPolicy, type PolicyRule } from "#core/api/controlplane/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { keyOf } from "#lib/kube/index.ts";
import type { PolicyChanges } from "../changes.ts";
import { addressOf, type Connection, type End } from "./reference.ts";

/** What an agent on one node knows when it follows the change stream, and the verdicts it would give. Insists that the stream is minimal. */
export function createAgentMirror(node: string) {
  const policies = new Map<string, NetworkPolicy>();
  const addressGroups = new Map<string, Map<string, Group["members"][number]>>();
  const appliedToGroups = new Map<string, Map<string, Group["members"][number]>>();

  const follow = (
    groups: typeof addressGroups,
    change: {
      readonly name: string;
      readonly gained: readonly string[];
      readonly lost: readonly string[];
      readonly span: { has(node: string): boolean };
    },
    parts: { readonly full: () => Group; readonly added: Group["members"]; readonly removed: Group["members"]; readonly deleted: boolean },
  ): void => {
    if (change.gained.includes(node)) {
      assert.ok(!groups.has(change.name), "gained what was there");
      groups.set(change.name, new Map(parts.full().members.map((member) => [memberKey(member), member])));
      return;
    }
    if (change.lost.includes(node)) {
      assert.ok(groups.delete(change.name), "lost what was not there");
      return;
    }
    const members = groups.get(change.name);
    if (members === undefined) return;
    assert.ok(!parts.deleted, "deleted without being lost");
    for (const member of parts.removed) assert.ok(members.delete(memberKey(member)), "removed no member");
    for (const member of parts.added) {
      assert.ok(!members.has(memberKey(member)), "added a member twice");
      members.set(memberKey(member), member);
    }
  };

  return {
    policies,
    addressGroups,
    appliedToGroups,
    apply(changes: PolicyChanges): void {
      for (const change of changes.policies) {
        const { name, event, row, contentChanged, gained, lost } = change;
        if (lost.includes(node)) assert.ok(policies.delete(name), "lost a policy that was not there");
        else if (gained.includes(node)) {
          assert.ok(!policies.has(name) && event !== "deleted", "gained a policy that was there");
          policies.set(name, row);
        } else if (policies.has(name)) {
          assert.ok(event === "changed", "deleted without being lost");
          if (contentChanged) policies.set(name, row);
        }
      }
      for (const change of changes.addressGroups)
        follow(addressGroups, change, {
          full: () => change.group(),
          added: change.added,
          removed: change.removed,
          deleted: change.event === "deleted",
        });
      for (const change of changes.appliedToGroups) {
        const { added = [], removed = [] } = change.byNode.get(node) ?? {};
        follow(appliedToGroups, change, { full: () => change.group(node), added, removed, deleted: change.event === "deleted" });
      }
    },
    /** The verdict of this node for the half of the connection that it sees. */
    allows(connection: Connection, direction: "In" | "Out"): boolean {
      const [subject, peer] = direction === "In" ? [connection.to, connection.from] : [connection.from, connection.to];
      if (!("pod" in subject)) return true;
      const applies = (group: string): boolean => {
        const members = appliedToGroups.get(group);
        assert.ok(members, "a policy names an applied-to group that this node was not given");
        return [...members.values()].some(({ pod }) => pod && `${pod.namespace}/${pod.name}` === keyOf(subject.pod));
      };
      const rules = [...policies.values()]
        .filter(({ appliedToGroups: groups }) => groups.some(applies))
        .flatMap((policy) => policy.rules.filter((rule) => rule.direction === direction));
      return rules.length === 0 || rules.some((rule) => this.matches(rule, peer, connection));
    },
    matches({ direction, peer, services }: PolicyRule, end: End, connection: Connection): boolean {
      const text = addressOf(end, connection.family);
      const address = text === undefined ? undefined : parseAddress(text);
      if (address === undefined) return false;
      const found = peer.addressGroups.flatMap((name) => {
        const members = addressGroups.get(name);
        assert.ok(members, "a rule names an address group that this node was not given");
        return [...members.values()].filter(({ ips }) => ips.some((ip) => ip.equals(address)));
      });
      const inBlock = peer.ipBlocks.some(({ cidr, except }) => cidr.contains(address) && !except.some((block) => block.contains(address)));
      const plain = services.length === 0 || services.some((s) => typeof s.port !== "string" && portFits(s, connection));
      if (plain && (inBlock || found.length > 0)) return true;
      const named = services.filter(({ port, protocol }) => typeof port === "string" && protocol === connection.protocol);
      // Ports by name are those of the destination: of the subject for ingress, of the peer for egress.
      const owners =
        direction === "Out"
          ? found
          : [...appliedToGroups.values()]
              .flatMap((members) => [...members.values()])
              .filter(({ pod }) => "pod" in connection.to && pod && `${pod.namespace}/${pod.name}` === keyOf(connection.to.pod));
      const fits = named.some(({ port, protocol }) =>
        owners.some(({ ports }) => ports.some((own) => own.name === port && own.protocol === protocol && own.port === connection.port)),
      );
      return fits && (direction === "Out" || inBlock || found.length > 0);
    },
  };
}

function portFits(
  { protocol, port, endPort }: { readonly protocol: string; readonly port?: number | string; readonly endPort?: number },
  connection: Connection,
): boolean {
  if (protocol !== connection.protocol) return false;
  return port === undefined || (typeof port === "number" && connection.port >= port && connection.port <= (endPort ?? port));
}
