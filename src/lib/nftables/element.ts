import { addressBits, type IpAddress, Prefix } from "#lib/ip/index.ts";
import type { Expression } from "./ruleset.ts";

/** An address or block as an element of a set or the right side of a match. */
export function element(value: IpAddress | Prefix): Expression {
  if (!(value instanceof Prefix)) return value.toString();
  const alone = value.length === addressBits(value.family);
  return alone ? value.address.toString() : { prefix: { addr: value.address.toString(), len: value.length } };
}
