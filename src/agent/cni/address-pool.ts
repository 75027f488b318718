import { CniError } from "#lib/cni/errors.ts";
import { addressBits, IpAddress, type Prefix } from "#lib/ip/index.ts";

/** One address of a pod with what it needs to be used. */
export interface Allocation {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly gateway: IpAddress;
}

/** Hands out the addresses of this node's pod CIDRs. Holds no truth of its own: what is taken is asked of those who know. */
export interface AddressPool {
  /** One address of each block. Not handed out again until {@link release}. Throws CniError 101 when a block has none left. */
  allocate(blocks: readonly Prefix[]): readonly Allocation[];
  /** Ends the hold of {@link allocate}: the addresses are in the switch's ports by then, or were not used. */
  release(allocations: readonly Allocation[]): void;
}

export interface AddressPoolOptions {
  /** Addresses of the pods that have a port. */
  readonly used: () => Iterable<IpAddress>;
  /** Whether the address's pod went a moment ago (see quarantine.ts). */
  readonly quarantined: (address: string) => boolean;
}

/** A search looks at this many candidates at most: all of an IPv4 block of /16, and far more than a node has pods in a larger one. */
const longestSearch = 65_536;

/** The address of the node's own interface on the bridge: the first of the block. */
export function gatewayAddress(block: Prefix): IpAddress {
  const address = gateways.get(block) ?? block.address.plus(1n);
  gateways.set(block, address);
  return address;
}

/** Of blocks that are there: each is asked for again and again. */
const gateways = new WeakMap<Prefix, IpAddress>();

/** Looks onward from the last address it gave, so that one comes back as late as possible. */
export function createAddressPool({ used, quarantined }: AddressPoolOptions): AddressPool {
  const held = new Set<string>();
  const last = new Map<string, bigint>();

  const allocateIn = (block: Prefix, taken: ReadonlySet<string>): Allocation => {
    const { first, count } = usable(block);
    const start = last.get(String(block)) ?? count - 1n;
    let inQuarantine = 0;
    for (let step = 1n; step <= count && step <= BigInt(longestSearch); step++) {
      const offset = (start + step) % count;
      const address = first.plus(offset);
      const text = String(address);
      if (taken.has(text) || held.has(text)) continue;
      if (quarantined(text)) {
        inQuarantine++;
        continue;
      }
      last.set(String(block), offset);
      return { address, prefixLength: block.length, gateway: gatewayAddress(block) };
    }
    const later = inQuarantine === 0 ? "" : `, ${inQuarantine} of them kept back for a moment as their pods have just gone`;
    throw new CniError("ipamFailure", `pod CIDR ${block} of this node has no free address: all ${count} are taken${later}`);
  };

  return {
    allocate(blocks) {
      const taken = new Set<string>();
      for (const address of used()) taken.add(String(address));
      const allocations: Allocation[] = [];
      for (const block of blocks) {
        const allocation = allocateIn(block, taken);
        allocations.push(allocation);
      }
      for (const { address } of allocations) held.add(String(address));
      return allocations;
    },
    release(allocations) {
      for (const { address } of allocations) held.delete(String(address));
    },
  };
}

/** Leaves out the network's and the gateway's address, and for IPv4 the broadcast address. */
function usable(block: Prefix): { readonly first: IpAddress; readonly count: bigint } {
  const size = 1n << BigInt(addressBits(block.family) - block.length);
  const reserved = block.family === 4 ? 3n : 2n;
  if (size <= reserved) throw new CniError("ipamFailure", `pod CIDR ${block} of this node is too small for a pod beside the gateway`);
  return { first: new IpAddress(block.family, block.address.value + 2n), count: size - reserved };
}
