import { type Group, type GroupMember, type NetworkPolicy, nothing, type PolicyRule } from "../src/core/api/controlplane/index.ts";
import type { LocalPort } from "../src/core/pipeline/index.ts";
import { parseAddress, parseMac, parsePrefix } from "../src/lib/ip/index.ts";
import { rule } from "../src/core/pipeline/policy/testing/rule.ts";

export { rule };

/** Rows as a controller would send them to a node, for benches that need many. */
export const namespace = "bench";

export const localPort = (number: number): LocalPort => ({
  interfaceName: `pod-${number}`,
  ofport: number,
  mac: parseMac(`0a:00:00:00:${hexByte(number >> 8)}:${hexByte(number & 255)}`),
  addresses: [parseAddress(`10.10.${number >> 8}.${number & 255}`)],
  podNamespace: namespace,
  podName: `pod-${number}`,
  containerId: `container-${number}`,
});

/** A pod somewhere in the cluster: number 0 to 65 535 gives it its only address, in `network` (its first two bytes). */
export const member = (number: number, network = "10.20"): GroupMember => ({
  pod: { namespace, name: `peer-${network}-${number}` },
  ips: [parseAddress(`${network}.${number >> 8}.${number & 255}`)],
  ports: [],
});

/** The local pods of {@link localPort} as subjects. */
export const subjects = (name: string, numbers: readonly number[]): Group =>
  group(
    name,
    numbers.map((number) => ({ pod: { namespace, name: `pod-${number}` }, ips: [], ports: [] })),
  );

export const group = (name: string, members: readonly GroupMember[]): Group => ({ name, uid: name, members });

export const policy = (name: string, appliedTo: string, ...rules: readonly PolicyRule[]): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "K8sNetworkPolicy", namespace, name, uid: name },
  appliedToGroups: [appliedTo],
  rules,
});

export const fromGroups = (...addressGroups: readonly string[]) => ({ ...nothing, addressGroups });
/** Whoever it is, as controllers write it: a rule without any peer is the isolation and admits nobody. */
export const fromAnybody = {
  ...nothing,
  ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })),
};
export const tcp = (...ports: readonly number[]) => ports.map((port) => ({ protocol: "TCP" as const, port }));

export const numbers = (count: number, first = 0): number[] => Array.from({ length: count }, (_, index) => first + index);

const hexByte = (byte: number): string => byte.toString(16).padStart(2, "0");
