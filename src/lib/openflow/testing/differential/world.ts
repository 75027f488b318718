import { type IpAddress, type MacAddress, parseAddress, parseMac } from "#lib/ip/index.ts";

/** A machine behind a port of the switch. */
export interface Host {
  readonly port: number;
  readonly mac: MacAddress;
  readonly addresses: readonly [IpAddress, IpAddress];
}

/** Hosts behind ports 1 … `count`, with an address of each family. */
export function hosts(count: number): Host[] {
  return Array.from({ length: count }, (_, index) => ({
    port: index + 1,
    mac: parseMac(`0a:00:00:00:00:0${index + 1}`),
    addresses: [parseAddress(`10.10.0.${index + 1}`), parseAddress(`fd00:10::${index + 1}`)],
  }));
}
