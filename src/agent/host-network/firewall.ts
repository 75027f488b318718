import { hostMarkBit, hostMarkMac } from "#core/pipeline/host-mark.ts";
import { element, type Expression, type NftChain, type NftSet, type NftTable, type Statement } from "#lib/nftables/index.ts";
import type { Family, Prefix } from "#lib/ip/index.ts";
import { podLinkGroup } from "../cni/index.ts";
import type { HostNetworkInput } from "./desired.ts";

/** Name of our tables, in every family. */
const tableName = "antrea";
const priority = { raw: -300, mangle: -150, sourceNat: 100, filter: 0 } as const;

const match = (op: "==" | "!=", left: Expression, right: Expression): Statement => ({ match: { op, left, right } });

/** Masquerade of pods to the outside, and the mark by which the switch knows what this node itself sent. */
export function firewallTables(input: HostNetworkInput, options: { readonly fullyRandomPorts: boolean }): NftTable[] {
  const inet: NftTable = {
    family: "inet",
    name: tableName,
    sets: clusterPodSets(input),
    chains: [
      {
        name: "postrouting",
        hook: { type: "nat", hook: "postrouting", priority: priority.sourceNat },
        rules: (input.masquerade ? input.podCIDRs : []).map((block) => ({
          comment: `pods to outside, IPv${block.family}`,
          expr: masquerade(block, input.gateway, options),
        })),
      },
      {
        name: "output",
        hook: { type: "filter", hook: "output", priority: priority.mangle },
        rules: [{ comment: "sent by this node itself", expr: markOwn(input.gateway) }],
      },
      ...(input.datapath === "netdev" ? [podsPassSwitchOnly] : []),
    ],
  };
  return input.datapath === "netdev" ? [inet, markCarrier(input.gateway)] : [inet];
}

/** The switch in user space takes copies of what pods send. The frames themselves would reach the node past all policies. */
const podsPassSwitchOnly: NftChain = {
  name: "prerouting",
  hook: { type: "filter", hook: "prerouting", priority: priority.raw },
  rules: [
    {
      comment: "pods reach the node by the switch alone",
      expr: [match("==", { meta: { key: "iifgroup" } }, podLinkGroup), { drop: null }],
    },
  ],
};

/** Every pod CIDR of the cluster: what stays inside keeps its source, on which policies decide. */
function clusterPodSets({ podCIDRs, remoteNodes }: HostNetworkInput): NftSet[] {
  const blocks = [...podCIDRs, ...remoteNodes.flatMap((node) => node.podCIDRs)];
  const ofFamily = (family: Family): Expression[] => blocks.filter((block) => block.family === family).map((block) => element(block));
  return [
    { name: setName(4), type: "ipv4_addr", flags: ["interval"], elements: ofFamily(4) },
    { name: setName(6), type: "ipv6_addr", flags: ["interval"], elements: ofFamily(6) },
  ];
}

const setName = (family: Family): string => (family === 4 ? "cluster-pods" : "cluster-pods-6");
function masquerade(block: Prefix, gateway: string, { fullyRandomPorts }: { readonly fullyRandomPorts: boolean }): Statement[] {
  const protocol = block.family === 4 ? "ip" : "ip6";
  return [
    match("==", { payload: { protocol, field: "saddr" } }, element(block)),
    match("!=", { payload: { protocol, field: "daddr" } }, `@${setName(block.family)}`),
    match("!=", { meta: { key: "oifname" } }, gateway),
    { masquerade: fullyRandomPorts ? { flags: "fully-random" } : null },
  ];
}

const ownMark = Number(hostMarkBit);
const mark: Expression = { meta: { key: "mark" } };

/** Made here, not forwarded and not in answer to a pod: what ingress policy lets pass, as the kubelet's probes must. */
function markOwn(gateway: string): Statement[] {
  return [
    match("==", { meta: { key: "oifname" } }, gateway),
    match("==", { fib: { result: "type", flags: ["saddr"] } }, "local"),
    match("==", { ct: { key: "direction" } }, "original"),
    { mangle: { key: mark, value: { "|": [mark, ownMark] } } },
  ];
}

/** Marks do not reach Open vSwitch in user space: the source address of the frame carries them there. */
function markCarrier(gateway: string): NftTable {
  return {
    family: "netdev",
    name: tableName,
    chains: [
      {
        // Named after the device: nft does not print the device of an egress hook, and since Linux 6.16 the chain of another gateway would stay without it.
        name: `egress-${gateway}`,
        hook: { type: "filter", hook: "egress", priority: priority.filter, device: gateway },
        rules: [
          {
            comment: "sent by this node itself",
            expr: [
              match("==", { "&": [mark, ownMark] }, ownMark),
              { mangle: { key: { payload: { protocol: "ether", field: "saddr" } }, value: String(hostMarkMac) } },
            ],
          },
        ],
      },
    ],
  };
}
