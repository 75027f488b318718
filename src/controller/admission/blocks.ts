import { tryParsePrefix } from "#lib/ip/index.ts";

interface Block {
  readonly cidr?: string;
  readonly except?: readonly string[];
}

/** The first thing wrong with a block. */
export function checkBlock({ cidr, except = [] }: Block): string | undefined {
  if (cidr === undefined || cidr === "") return "field 'cidr' is required in an ipBlock";
  const around = tryParsePrefix(cidr);
  if (around === undefined) return `invalid cidr ${cidr}`;
  for (const text of except) {
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) return `invalid except CIDR ${text}`;
    if (prefix.length <= around.length || !around.covers(prefix)) return `except CIDR ${text} is not a strict subset of CIDR ${cidr}`;
  }
  return undefined;
}

/** Whether addresses of the block are groups of hosts: 224.0.0.0/4 or ff00::/8. */
export function isMulticast(text: string): boolean {
  const prefix = tryParsePrefix(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
  return prefix !== undefined && multicast.some((block) => block?.covers(prefix));
}

const multicast = [tryParsePrefix("224.0.0.0/4"), tryParsePrefix("ff00::/8")];
