import { addressBits, type IpAddress, Prefix } from "#lib/ip/index.ts";
import type { Expression } from "./ruleset.ts";

/** What was made of a block, for as long as the block is there: the sets of a cluster's blocks are made again with each that comes or goes. */
const made = new WeakMap<Prefix, Expression>();

/** An address or block as an element of a set or the right side of a match. */
export function element(value: IpAddress | Prefix): Expression {
  if (!(value instanceof Prefix)) return value.toString();
  const before = made.get(value);
  if (before !== undefined) return before;
  const alone = value.length === addressBits(value.family);
  const expression = alone ? value.address.toString() : { prefix: { addr: value.address.toString(), len: value.length } };
  made.set(value, expression);
  return expression;
}
