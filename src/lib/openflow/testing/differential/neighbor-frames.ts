import { type IpAddress, MacAddress } from "#lib/ip/index.ts";
import { IpAddress as Address } from "#lib/ip/index.ts";
import type { EthernetFrame, NeighborOption } from "#lib/packet/index.ts";
import type { Random } from "#lib/runtime/index.ts";
import type { Host } from "./world.ts";

/** A neighbor solicitation or advertisement of `from`, right or a little wrong. */
export function neighborSolicitation(options: { from: Host; target: IpAddress; destination: MacAddress; random: Random }): EthernetFrame {
  const { from, target, destination, random } = options;
  const chance = (percent: number): boolean => random.below(100) < percent;
  const advertises = chance(30);
  const mac = chance(90) ? from.mac : new MacAddress(BigInt(random.below(2 ** 32)));
  const wanted: NeighborOption = advertises ? { type: "target_link_address", mac } : { type: "source_link_address", mac };
  const strange: NeighborOption = { type: "other", number: 14, bytes: random.bytes(6) };
  const list = chance(80) ? [wanted] : chance(30) ? [] : chance(50) ? [strange, wanted] : [wanted, wanted];
  const subject = advertises && chance(80) ? from.addresses[1] : target;
  return {
    destination,
    source: from.mac,
    payload: {
      kind: "ipv6",
      source: from.addresses[1],
      destination: advertises ? target : solicitedNode(target),
      hopLimit: chance(90) ? 255 : 64,
      payload: {
        kind: "icmpv6",
        body: advertises
          ? { type: "neighbor_advertisement", target: subject, override: true, options: list }
          : { type: "neighbor_solicitation", target: subject, options: list },
      },
    },
  };
}

/** RFC 4291 §2.7.1. */
const solicitedNode = ({ value }: IpAddress): IpAddress => new Address(6, (0xff02n << 112n) | (0x1ffn << 24n) | (value & 0xff_ffffn));

/** RFC 2464 §7. */
export const ethernetOfMulticast = (address: IpAddress): MacAddress =>
  new MacAddress((0x3333n << 32n) | (solicitedNode(address).value & 0xffff_ffffn));
