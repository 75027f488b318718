import { createHash } from "node:crypto";
import { invalidObject } from "#lib/apiserver/errors.ts";
import { type FieldError, invalid } from "#lib/apiserver/field-error.ts";
import type { Draft, Lookup } from "#lib/apiserver/resource.ts";
import { addressBits, IpAddress, tryParseAddress } from "#lib/ip/address.ts";
import type { Prefix } from "#lib/ip/prefix.ts";
import type { FullService, FullServiceSpec } from "./types.ts";

/** More addresses than this are never looked through: a /108 of IPv6 is as good as endless. */
const searchedAddresses = 1n << 16n;

const familyName = { 4: "IPv4", 6: "IPv6" } as const;

/** The first address of the first block: that of the API server's own service. */
export function firstServiceAddress(serviceCidr: Prefix): IpAddress {
  return new IpAddress(serviceCidr.family, serviceCidr.address.value + 1n);
}

/** Decides families and gives addresses to a service that needs some. Throws Invalid when an address is taken, of a wrong block, or none is left. */
export function allocateAddresses(service: Draft<FullService>, lookup: Lookup, serviceCidrs: readonly Prefix[]): void {
  const { spec } = service;
  if (spec === undefined) return;
  if (spec.type === "ExternalName") {
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const) delete spec[field];
    return;
  }
  const given = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  const cidrs = familiesFor(service, spec, { given, serviceCidrs });
  spec.ipFamilies = cidrs.map(({ family }) => familyName[family]);
  spec.clusterIPs = given[0] === "None" ? ["None"] : addressesFor(service, { given, cidrs, used: usedAddresses(service, lookup) });
  spec.clusterIP = spec.clusterIPs[0] ?? "";
}

/** An update that leaves addresses out keeps those of the stored object. */
export function keepAddresses(service: Draft<FullService>, old: FullService): void {
  const { spec } = service;
  if (spec === undefined || spec.type === "ExternalName" || old.spec?.type === "ExternalName") return;
  const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = old.spec ?? {};
  if (!spec.clusterIP && clusterIP !== undefined) spec.clusterIP = clusterIP;
  if (!spec.clusterIPs?.length && clusterIPs !== undefined && spec.clusterIP === clusterIP) spec.clusterIPs = [...clusterIPs];
  if (!spec.ipFamilies?.length && ipFamilies !== undefined) spec.ipFamilies = [...ipFamilies];
  if (!spec.ipFamilyPolicy && ipFamilyPolicy !== undefined) spec.ipFamilyPolicy = ipFamilyPolicy;
}

interface Families {
  readonly given: readonly string[];
  readonly serviceCidrs: readonly Prefix[];
}

/** One block per family of the service, in its order. */
function familiesFor(service: Draft<FullService>, spec: Draft<FullServiceSpec>, { given, serviceCidrs }: Families): readonly Prefix[] {
  const refuse = (field: string, value: unknown, detail: string): never => refuseService(service, invalid(field, value, detail));
  const fromAddresses = given.flatMap((text) => tryParseAddress(text)?.family ?? []).map((family) => familyName[family]);
  const wanted = spec.ipFamilies?.length ? [...spec.ipFamilies] : [...fromAddresses];
  spec.ipFamilyPolicy ??= wanted.length > 1 ? "RequireDualStack" : "SingleStack";
  const rest = serviceCidrs.map(({ family }) => familyName[family]).filter((family) => !wanted.includes(family));
  if (spec.ipFamilyPolicy === "SingleStack") {
    if (wanted.length > 1)
      refuse(
        "spec.ipFamilyPolicy",
        spec.ipFamilyPolicy,
        "must be RequireDualStack or PreferDualStack when multiple ipFamilies or clusterIPs are specified",
      );
    if (wanted.length === 0) wanted.push(...rest.slice(0, 1));
  } else wanted.push(...rest);
  const cidrs = wanted.map(
    (family) =>
      serviceCidrs.find((cidr) => familyName[cidr.family] === family) ??
      refuse("spec.ipFamilies", wanted, `${family} is not configured on this cluster`),
  );
  if (spec.ipFamilyPolicy === "RequireDualStack" && cidrs.length < 2)
    refuse("spec.ipFamilyPolicy", spec.ipFamilyPolicy, "this cluster is not configured for dual-stack services");
  return cidrs;
}

function addressesFor(
  service: Draft<FullService>,
  { given, cidrs, used }: { readonly given: readonly string[]; readonly cidrs: readonly Prefix[]; readonly used: ReadonlySet<string> },
): string[] {
  return cidrs.map((cidr, index) => {
    const text = given[index];
    if (text === undefined) return freeAddress(service, cidr, used).toString();
    const field = `spec.clusterIPs[${index}]`;
    const address = tryParseAddress(text);
    if (address === undefined)
      return refuseService(service, invalid(field, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    if (!cidr.contains(address))
      return refuseService(
        service,
        invalid(field, text, `failed to allocate IP ${text}: the provided network does not match the current range ${cidr}`),
      );
    if (used.has(address.toString()))
      return refuseService(service, invalid(field, text, `failed to allocate IP ${text}: provided IP is already allocated`));
    return address.toString();
  });
}

/** Starts at a place that depends on the name, so that a service that is made anew seldom gets the address of another just deleted. */
function freeAddress({ metadata, ...service }: Draft<FullService>, cidr: Prefix, used: ReadonlySet<string>): IpAddress {
  const hosts = (1n << BigInt(addressBits(cidr.family) - cidr.length)) - 2n;
  const size = hosts < searchedAddresses ? hosts : searchedAddresses;
  const digest = createHash("sha256").update(`${metadata.namespace}/${metadata.name}`).digest();
  // The first address is the API server's; the last of IPv4 would be the broadcast address.
  for (let step = 0n; step < size - 1n; step++) {
    const offset = 2n + ((digest.readBigUInt64BE() + step) % (size - 1n));
    const address = new IpAddress(cidr.family, cidr.address.value + offset);
    if (!used.has(address.toString())) return address;
  }
  return refuseService(
    { metadata, ...service },
    invalid("spec.clusterIPs", [], `no address is left in ${cidr}: delete services or give the lab a larger --service-cidr`),
  );
}

function usedAddresses({ metadata }: Draft<FullService>, lookup: Lookup): ReadonlySet<string> {
  const others = [...lookup.list({ group: "", resource: "services" })] as readonly FullService[];
  return new Set(
    others
      .filter((other) => other.metadata.name !== metadata.name || other.metadata.namespace !== metadata.namespace)
      .flatMap(({ spec }) => spec?.clusterIPs ?? []),
  );
}

function refuseService({ metadata }: Draft<FullService>, error: FieldError): never {
  throw invalidObject({ group: "", kind: "Service" }, metadata.name ?? "", [error]);
}
