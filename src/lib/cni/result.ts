import type { IpAddress } from "#lib/ip/address.ts";
import type { MacAddress } from "#lib/ip/mac.ts";
import { atLeast, type CniVersion } from "./versions.ts";

/** What ADD made, in no version's form yet. */
export interface AddResult {
  /** The end in the node's namespace has no sandbox. */
  readonly interfaces: readonly { readonly name: string; readonly mac: MacAddress; readonly sandbox?: string }[];
  readonly addresses: readonly {
    readonly address: IpAddress;
    readonly prefixLength: number;
    readonly gateway: IpAddress;
    /** Index into {@link interfaces}. */
    readonly interfaceIndex: number;
  }[];
  /** Default routes, one for each family. */
  readonly routes: readonly { readonly destination: string; readonly gateway: IpAddress }[];
  readonly dns: Dns;
}

/** Name servers as the configuration gives them; handed through. */
export interface Dns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** Writes the result as `version` of the specification has it. */
export function formatResult(result: AddResult, version: CniVersion): object {
  if (!atLeast(version, "0.3.0")) return formatFirst(result, version);
  const versioned = !atLeast(version, "1.0.0");
  return {
    cniVersion: version,
    interfaces: result.interfaces.map(({ name, mac, sandbox }) => ({
      name,
      mac: String(mac),
      ...(sandbox === undefined ? {} : { sandbox }),
    })),
    ips: result.addresses.map(({ address, prefixLength, gateway, interfaceIndex }) => ({
      ...(versioned ? { version: String(address.family) } : {}),
      interface: interfaceIndex,
      address: `${address}/${prefixLength}`,
      gateway: String(gateway),
    })),
    routes: result.routes.map(({ destination, gateway }) => ({ dst: destination, gw: String(gateway) })),
    dns: result.dns,
  };
}

/** 0.1.0 and 0.2.0 know one address of each family and no interfaces. */
function formatFirst(result: AddResult, version: CniVersion): object {
  const ofFamily = (family: 4 | 6): object | undefined => {
    const found = result.addresses.find(({ address }) => address.family === family);
    if (found === undefined) return undefined;
    const routes = result.routes.filter(({ gateway }) => gateway.family === family);
    return {
      ip: `${found.address}/${found.prefixLength}`,
      gateway: String(found.gateway),
      routes: routes.map(({ destination, gateway }) => ({ dst: destination, gw: String(gateway) })),
    };
  };
  const [ip4, ip6] = [ofFamily(4), ofFamily(6)];
  return { cniVersion: version, ...(ip4 === undefined ? {} : { ip4 }), ...(ip6 === undefined ? {} : { ip6 }), dns: result.dns };
}
