import { addressBits, type IpAddress, Prefix, tryParsePrefix } from "#lib/ip/index.ts";
import type { InterfaceAddress, Link } from "#lib/netlink/index.ts";
import type { AgentConfig } from "../config.ts";
import { NoTransportInterface } from "../errors.ts";

/** The interface that carries traffic between nodes. */
export interface Transport {
  readonly interfaceName: string;
  readonly mtu: number;
  /** At most one for each family. */
  readonly addresses: readonly IpAddress[];
  /** The blocks that `addresses` are in on the interface's link, in the same order. */
  readonly subnets: readonly Prefix[];
  /** The addresses are not the Node's own: other nodes learn them from an annotation. */
  readonly announced: boolean;
}

export type TransportConfig = Pick<AgentConfig, "transportInterface" | "transportInterfaceCIDRs">;

/** Chooses by `transportInterface`, else `transportInterfaceCIDRs`, else the Node's addresses. Throws {@link NoTransportInterface}. */
export function findTransport(
  config: TransportConfig,
  nodeAddresses: readonly IpAddress[],
  present: { readonly links: readonly Link[]; readonly addresses: readonly InterfaceAddress[] },
): Transport {
  const on = (link: Link): IpAddress[] =>
    present.addresses.filter((row) => row.linkIndex === link.index && row.scope === "universe").map(({ address }) => address);
  const transport = (link: Link, candidates: readonly IpAddress[], announced: boolean): Transport => {
    const addresses = firstOfEachFamily(candidates);
    const subnets = addresses.map((address) => {
      const row = present.addresses.find((candidate) => candidate.linkIndex === link.index && candidate.address.equals(address));
      return new Prefix(address, row?.prefixLength ?? addressBits(address.family));
    });
    return { interfaceName: link.name, mtu: link.mtu, addresses, subnets, announced };
  };
  const isNodes = (address: IpAddress): boolean => nodeAddresses.some((own) => own.equals(address));

  if (config.transportInterface !== "") {
    const wanted = `is ${config.transportInterface} with an address`;
    const link = present.links.find(
      ({ name, alternativeNames }) => name === config.transportInterface || alternativeNames.includes(config.transportInterface),
    );
    const addresses = link === undefined ? [] : on(link);
    if (link === undefined || addresses.length === 0) throw new NoTransportInterface(wanted);
    return transport(link, addresses, !addresses.some(isNodes));
  }
  if (config.transportInterfaceCIDRs.length > 0) {
    const blocks = config.transportInterfaceCIDRs.map(tryParsePrefix);
    for (const link of present.links) {
      const inside = on(link).filter((address) => blocks.some((block) => block?.contains(address)));
      if (inside.length > 0) return transport(link, inside, !inside.some(isNodes));
    }
    throw new NoTransportInterface(`has an address in ${config.transportInterfaceCIDRs.join(", ")}`);
  }
  for (const link of present.links) {
    const own = on(link).filter(isNodes);
    if (own.length > 0) return transport(link, own, false);
  }
  throw new NoTransportInterface(`has the Node's address ${nodeAddresses.join(", ")}`);
}

function firstOfEachFamily(addresses: readonly IpAddress[]): IpAddress[] {
  const families = [4, 6] as const;
  return families.map((family) => addresses.find((address) => address.family === family)).filter((address) => address !== undefined);
}
