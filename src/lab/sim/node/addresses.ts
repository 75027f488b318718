const octets = (number: number): readonly [high: number, low: number] => [number >> 8, number & 255];

/** Pod addresses of a node: 10.A.B.0/24 and fd00:10:AB::/64; the node's own are 172.16.A.B and fd00:172::AB. */
export function nodeAddresses(index: number): { readonly podCIDRs: readonly string[]; readonly addresses: readonly string[] } {
  const number = index + 1;
  const [high, low] = octets(number);
  return {
    podCIDRs: [`10.${64 + high}.${low}.0/24`, `fd00:10:${number.toString(16)}::/64`],
    addresses: [`172.16.${high}.${low}`, `fd00:172::${number.toString(16)}`],
  };
}

/** A part of the node's pod addresses, in each family: what policies name that are about blocks. */
export function firstPods(index: number): readonly [ipv4: string, ipv6: string] {
  const number = index + 1;
  const [high, low] = octets(number);
  return [`10.${64 + high}.${low}.0/26`, `fd00:10:${number.toString(16)}::/72`];
}
