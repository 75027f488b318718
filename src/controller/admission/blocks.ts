import { tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";

interface Block {
  readonly cidr?: string;
  readonly except?: readonly string[];
}

/** The first thing wrong with a block. */
export function checkBlock({ cidr, except = [] }: Block): string | undefined {
  if (cidr === undefined || cidr === "") return "field 'cidr' is required in an ipBlock";
  const around = tryParsePrefix(cidr);
  if (around === undefined) return `invalid CIDR address: ${cidr}`;
  for (const text of except) {
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) return `invalid except CIDR value: invalid CIDR address: ${text}`;
    if (prefix.length <= around.length || !around.covers(prefix)) return `except CIDR ${text} is not a strict subset of CIDR ${cidr}`;
  }
  return undefined;
}

/** Whether an address, or the one that a block is written with, is that of a group of hosts: of 224.0.0.0/4 or ff00::/8. */
export function isMulticast(text: string): boolean {
  const [before = ""] = text.split("/");
  const address = tryParseAddress(before);
  return address !== undefined && multicast.some((block) => block?.contains(address));
}

const multicast = [tryParsePrefix("224.0.0.0/4"), tryParsePrefix("ff00::/8")];
