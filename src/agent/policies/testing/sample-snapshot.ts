import { type Group, type GroupMember, nothing } from "#core/api/controlplane/index.ts";
import type { LayerAllocations, SideAllocations } from "#core/pipeline/policy/allocations.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { policy, rule } from "../../testing/policies.ts";
import type { PolicySnapshot } from "../snapshot.ts";

const pod = (name: string, ...ips: readonly string[]): GroupMember => ({
  pod: { namespace: "shop", name },
  ips: ips.map(parseAddress),
  ports: [{ name: "http", protocol: "TCP", port: 8_080 }],
});
const group = (name: string, ...members: readonly GroupMember[]): Group => ({ name, uid: `${name}-uid`, members });

const layer: LayerAllocations = { ports: {}, inline: [], orders: {} };
const nothingGiven: SideAllocations = { tiers: layer, kubernetes: layer, baseline: layer, bits: {}, doors: {} };

/** As many members as take several lines. */
const crowd = Array.from({ length: 300 }, (_, index) =>
  pod(`web-${index}`, `10.0.${index >> 8}.${index & 255}`, `fd00::${index.toString(16)}`),
);

/** A snapshot with something of everything. What an earlier version wrote of it stands in `snapshot-3.txt`. */
export const sampleSnapshot: PolicySnapshot = {
  policies: [
    policy("allow-web", {
      rules: [rule({ peer: { ...nothing, addressGroups: ["crowd", "empty"] }, services: [{ protocol: "TCP", port: 80 }] })],
    }),
    policy("staged", {
      generation: 7,
      staged: true,
      priority: 5.5,
      tierPriority: 250,
      sourceRef: { type: "AntreaClusterNetworkPolicy", name: "staged", uid: "staged-uid" },
      rules: [
        rule({
          direction: "Out",
          action: "Drop",
          priority: 1,
          name: "Zür/ich – „all“",
          peer: {
            ...nothing,
            ipBlocks: [{ cidr: parsePrefix("fd00::/8"), except: [parsePrefix("fd00:1::/32")] }],
            fqdns: ["*.example.com"],
          },
        }),
      ],
    }),
  ],
  addressGroups: [group("crowd", ...crowd), group("empty"), group("one", { node: "n1", ips: [parseAddress("172.16.0.1")], ports: [] })],
  appliedToGroups: [group("subjects", pod("db", "10.0.9.1"), pod("api", "fd00::9"))],
  allocations: {
    In: {
      ...nothingGiven,
      kubernetes: { ports: { pod1: [{ id: 1, page: 0 }] }, inline: ["rule"], orders: {} },
      tiers: { ports: { pod1: [{ id: 2, page: 0 }] }, inline: [], orders: { 2: [[4_000_000_007, 33_000, 0]] } },
      bits: { 0: { s: 255 } },
      doors: { 1: 3 },
    },
    Out: nothingGiven,
  },
  openPorts: ["pod1", "pod2"],
  computed: { cluster: "c", pods: "20", namespaces: "1", networkpolicies: "4", others: { tiers: "3" }, changed: { pods: "19" } },
};
