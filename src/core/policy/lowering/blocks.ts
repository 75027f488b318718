import type { IpBlock } from "#core/api/controlplane/index.ts";
import { type IpAddress, parsePrefix, type Prefix, tryParsePrefix, unmapped } from "#lib/ip/index.ts";
import type { Problems } from "./problems.ts";

/** Every address of both families. */
export const anybody: readonly IpBlock[] = Object.freeze([
  { cidr: parsePrefix("0.0.0.0/0"), except: [] },
  { cidr: parsePrefix("::/0"), except: [] },
]);

/**
 * A block, or undefined where it cannot be used: it matches nothing then, as leaving out an unreadable exception would allow more than was asked for. A block of IPv4 that is
 * written as IPv6 is the IPv4 block, as no packet has such an address.
 */
export function lowerBlock(
  block: { readonly cidr: string; readonly except?: readonly string[] },
  path: string,
  problems: Problems,
): IpBlock | undefined {
  const read = (text: string, field: string): Prefix | undefined => {
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) problems.note(`${path}.${field}`, `${JSON.stringify(text)} is no CIDR; the block matches nothing`);
    return prefix === undefined ? undefined : unmapped(prefix);
  };
  const cidr = read(block.cidr, "cidr");
  const except = (block.except ?? []).map((text, index) => read(text, `except[${index}]`));
  if (cidr === undefined || except.includes(undefined)) return undefined;
  const around = except.findIndex((prefix) => prefix?.covers(cidr));
  if (around >= 0) {
    problems.note(`${path}.except[${around}]`, `covers all of ${cidr}; the block matches nothing`);
    return undefined;
  }
  return { cidr, except: except.filter((prefix) => prefix !== undefined) };
}

export const blockHolds = ({ cidr, except }: IpBlock, address: IpAddress): boolean =>
  cidr.contains(address) && !except.some((part) => part.contains(address));
