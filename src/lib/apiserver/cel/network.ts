import type { Environment } from "@marcbachmann/cel-js";
import { type IpAddress, tryParseAddress } from "#lib/ip/address.ts";
import { type Prefix, tryParsePrefix } from "#lib/ip/prefix.ts";

/** A value of the CEL type `net.IP`. */
class Ip {
  readonly address: IpAddress;
  constructor(address: IpAddress) {
    this.address = address;
  }
}

/** A value of the CEL type `net.CIDR`. Keeps the address as it was written: `cidr("10.1.2.3/8").ip()` is 10.1.2.3. */
class Cidr {
  readonly address: IpAddress;
  readonly prefix: Prefix;
  constructor(address: IpAddress, prefix: Prefix) {
    this.address = address;
    this.prefix = prefix;
  }
}

/** What `ip` is where it is no function: the place of `ip.isCanonical`. */
class IpNamespace {}

/** The IP and CIDR libraries of Kubernetes: `isIP`, `ip`, `isCIDR`, `cidr` and their methods. */
export function withNetwork(environment: Environment): Environment {
  return environment
    .registerType("net.IP", { ctor: Ip, fields: {} })
    .registerType("net.CIDR", { ctor: Cidr, fields: {} })
    .registerType("net.IPFunctions", { ctor: IpNamespace, fields: {} })
    .registerConstant("ip", "net.IPFunctions", new IpNamespace())
    .registerOperator("net.IP == net.IP", (left: Ip, right: Ip) => left.address.equals(right.address))
    .registerOperator("net.CIDR == net.CIDR", (left: Cidr, right: Cidr) => left.prefix.equals(right.prefix))
    .registerFunction("isIP(string): bool", (text: string) => parseIp(text) !== undefined)
    .registerFunction("ip(string): net.IP", ip)
    .registerFunction("net.IPFunctions.isCanonical(string): bool", (_: IpNamespace, text: string) => ip(text).address.toString() === text)
    .registerFunction("string(net.IP): string", ({ address }: Ip) => address.toString())
    .registerFunction("net.IP.family(): int", ({ address }: Ip) => BigInt(address.family))
    .registerFunction("net.IP.isUnspecified(): bool", ({ address }: Ip) => address.value === 0n)
    .registerFunction("net.IP.isLoopback(): bool", ({ address }: Ip) => isLoopback(address))
    .registerFunction("net.IP.isLinkLocalMulticast(): bool", ({ address }: Ip) => isLinkLocalMulticast(address))
    .registerFunction("net.IP.isLinkLocalUnicast(): bool", ({ address }: Ip) => isLinkLocalUnicast(address))
    .registerFunction("net.IP.isGlobalUnicast(): bool", ({ address }: Ip) => isGlobalUnicast(address))
    .registerFunction("isCIDR(string): bool", (text: string) => parseCidr(text) !== undefined)
    .registerFunction("cidr(string): net.CIDR", cidr)
    .registerFunction("string(net.CIDR): string", ({ address, prefix }: Cidr) => `${address}/${prefix.length}`)
    .registerFunction("net.CIDR.ip(): net.IP", ({ address }: Cidr) => new Ip(address))
    .registerFunction("net.CIDR.prefixLength(): int", ({ prefix }: Cidr) => BigInt(prefix.length))
    .registerFunction("net.CIDR.masked(): net.CIDR", ({ prefix }: Cidr) => new Cidr(prefix.address, prefix))
    .registerFunction("net.CIDR.containsIP(net.IP): bool", ({ prefix }: Cidr, { address }: Ip) => prefix.contains(address))
    .registerFunction("net.CIDR.containsIP(string): bool", ({ prefix }: Cidr, text: string) => prefix.contains(ip(text).address))
    .registerFunction("net.CIDR.containsCIDR(net.CIDR): bool", (outer: Cidr, inner: Cidr) => outer.prefix.covers(inner.prefix))
    .registerFunction("net.CIDR.containsCIDR(string): bool", (outer: Cidr, text: string) => outer.prefix.covers(cidr(text).prefix));
}

/** IPv4 addresses written as IPv6 (`::ffff:1.2.3.4`) and zones are refused, as Kubernetes does. */
function parseIp(text: string): IpAddress | undefined {
  const address = tryParseAddress(text);
  return address === undefined || isMapped(address) ? undefined : address;
}

function parseCidr(text: string): Cidr | undefined {
  const prefix = tryParsePrefix(text);
  const address = parseIp(text.slice(0, text.lastIndexOf("/")));
  return prefix === undefined || address === undefined ? undefined : new Cidr(address, prefix);
}

function ip(text: string): Ip {
  const address = parseIp(text);
  if (address === undefined) throw new RangeError(`IP Address ${JSON.stringify(text)} parse error`);
  return new Ip(address);
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new RangeError(`network address parse error during conversion from string: ${JSON.stringify(text)}`);
  return parsed;
}

const isMapped = ({ family, value }: IpAddress): boolean => family === 6 && value >> 32n === 0xffffn;
const isLoopback = ({ family, value }: IpAddress): boolean => (family === 4 ? value >> 24n === 127n : value === 1n);
const isLinkLocalUnicast = ({ family, value }: IpAddress): boolean => (family === 4 ? value >> 16n === 0xa9fen : value >> 118n === 0x3fan);
const isLinkLocalMulticast = ({ family, value }: IpAddress): boolean =>
  family === 4 ? value >> 8n === 0xe00000n : value >> 120n === 0xffn && ((value >> 112n) & 0xfn) === 2n;
const isMulticast = ({ family, value }: IpAddress): boolean => (family === 4 ? value >> 28n === 0xen : value >> 120n === 0xffn);
const isGlobalUnicast = (address: IpAddress): boolean =>
  !(
    address.value === 0n ||
    (address.family === 4 && address.value === 0xffff_ffffn) ||
    isLoopback(address) ||
    isMulticast(address) ||
    isLinkLocalUnicast(address)
  );
