import {
  type AddressKey,
  type BitsDraft,
  type BitsTable,
  bitsValue,
  noBits,
  type PrefixKey,
  prefixKey,
  prefixOfKey,
  type SetBits,
  shorterPrefixes,
} from "#core/sets/index.ts";
import { IpAddress, Prefix } from "#lib/ip/index.ts";
import type { Action } from "#lib/openflow/action.ts";
import { type FieldMatch, type FieldName, type Flow, flowKey, type Match } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, setRegister, whenRegisters } from "../flow-builder.ts";
import type { FlowKind } from "../flow-collection.ts";
import type { Pipeline } from "../tables.ts";
import { firstRuleId } from "./rule-ids.ts";
import type { PolicySide } from "./sides.ts";

const halfPage = 128n;
const lowHalf = (1n << halfPage) - 1n;
/** A longer prefix must win, and the shortest (0) must be above the table's miss flow. */
const shortestPrefixPriority = 100;

/**
 * There are many lookup flows: what they are about decides which of so many cookies they have, equally spread, so that a switch finds one of them among few. Open vSwitch has an index of cookies, and
 * goes through all that have the one asked for.
 */
const lookupCookies = Array.from({ length: firstRuleId * 256 }, (_, place) => cookie("networkPolicy", place >> 8, place & 0xff));
const cookieOf = (id: AddressKey | PrefixKey): bigint => lookupCookies[placeOf(id)] ?? 0n;
const pageOf = (id: AddressKey | PrefixKey): number => placeOf(id) & 0xff;

/** 0 to 4 095. */
function placeOf(id: AddressKey | PrefixKey): number {
  const hash = typeof id === "number" ? id : hashOfText(id);
  return Math.imul(hash ^ (hash >>> 15), 0x9e37_79b1) >>> 20;
}

function hashOfText(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash, 31) + text.charCodeAt(index);
  return hash | 0;
}

export interface LookupOptions {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly page: number;
  readonly table: BitsTable;
  /** Bits that no flow in the switch asks for yet. */
  readonly fresh: Readonly<BitsDraft>;
}

/** Addresses that peer sets list: their bits are set, the others were cleared when the page was chosen. */
export function memberFlows({ pipeline, side, page, table: bitsTable, fresh }: LookupOptions): FlowKind<AddressKey, SetBits> {
  const register = whenRegisters({ page: BigInt(page) });
  const common = flow(pipeline, side.members, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: register,
    next: side.prefixes,
  });
  const actionsOf = actionsBySets(common.actions);
  const { table, priority } = common;
  const [[registerName, pageCondition]] = Object.entries(register) as [[FieldName, FieldMatch]];
  const { 4: addressV4, 6: addressV6 } = side.peerField;
  // In the order of the fields, without parts that would be made for each flow.
  const matchOf = (id: AddressKey): Match =>
    typeof id === "number"
      ? { eth_type: ipv4, [addressV4]: BigInt(id), [registerName]: pageCondition }
      : { eth_type: ipv6, [addressV6]: BigInt(`0x${id}`), [registerName]: pageCondition };
  const plain = (id: AddressKey): Flow => ({ ...common, match: matchOf(id) });
  const v4 = keyTemplate(flowKey(plain(sample.v4)), sample.v4.toString(16));
  const v6 = keyTemplate(flowKey(plain(sample.v6)), sample.v6);
  return {
    table,
    flow: (id, bits) => ({ table, priority, cookie: cookieOf(id), match: matchOf(id), actions: actionsOf(bits) }),
    content: (id, bits) => ({ cookie: cookieOf(id), actions: actionsOf(bits) }),
    page: pageOf,
    key: (id) => (typeof id === "number" ? v4.key(id.toString(16)) : v6.key(id)),
    idOf(key) {
      const digits = v4.digits(key);
      return digits === undefined ? v6.digits(key) : Number.parseInt(digits, 16);
    },
    idOfFlow(other) {
      if (other.table !== table || other.priority !== priority || !isOfPage(other, registerName, pageCondition)) return undefined;
      const { match } = other;
      const address = match.eth_type === ipv4 ? match[addressV4] : match.eth_type === ipv6 ? match[addressV6] : undefined;
      if (typeof address !== "bigint") return undefined;
      return match.eth_type === ipv4 ? Number(address) : address.toString(16);
    },
    between(id, before, after) {
      const [old, now] = [before(id), after(id)];
      return old === undefined || now === undefined ? (old ?? now ?? noBits) : bitsTable.union(old, now);
    },
    isNew: (bits) => bitsTable.pick(bits, fresh) === bits,
    early(id, before, after) {
      const picked = bitsTable.pick(after(id) ?? noBits, fresh);
      return picked === noBits ? undefined : bitsTable.union(before(id) ?? noBits, picked);
    },
  };
}

/** Whether the flow asks for the page, and for two fields beside that. */
function isOfPage({ match, unknownFields = [] }: Flow, register: FieldName, page: FieldMatch): boolean {
  const condition = match[register];
  if (typeof condition !== "object" || typeof page !== "object" || unknownFields.length > 0) return false;
  let asked = 0;
  for (const _ in match) asked++;
  return asked === 3 && condition.value === page.value && condition.mask === page.mask;
}

/** Blocks of addresses, in a table where the longest one that covers an address is found. */
export function blockFlows({ pipeline, side, page, table: bitsTable, fresh }: LookupOptions): FlowKind<PrefixKey, SetBits> {
  const register = whenRegisters({ page: BigInt(page) });
  const common = flow(pipeline, side.prefixes, {
    priority: shortestPrefixPriority,
    cookie: cookie("networkPolicy"),
    match: register,
    next: side.tierRule,
  });
  const actionsOf = actionsBySets(common.actions);
  const make = (id: PrefixKey, actions: readonly Action[]): Flow => {
    const prefix = prefixOfKey(id);
    return {
      table: common.table,
      priority: shortestPrefixPriority + prefix.length,
      cookie: cookieOf(id),
      match: { ...side.peerPrefix(prefix), ...register },
      actions,
    };
  };
  const start = `${common.table}|`;
  return {
    table: common.table,
    flow: (id, bits) => make(id, actionsOf(bits)),
    content: (id, bits) => ({ cookie: cookieOf(id), actions: actionsOf(bits) }),
    page: pageOf,
    key: (id) => flowKey(make(id, [])),
    idOf(key) {
      if (!key.startsWith(start)) return undefined;
      const length = Number.parseInt(key.slice(start.length), 10) - shortestPrefixPriority;
      const [, name, digits] = /\|(ip|ipv6)_(?:src|dst)=([0-9a-f]+)/.exec(key) ?? [];
      const family = name === undefined ? (key.includes("|eth_type=86dd") ? 6 : 4) : name === "ip" ? 4 : 6;
      if (!(length >= 0 && length <= (family === 4 ? 32 : 128))) return undefined;
      const id = prefixKey(new Prefix(new IpAddress(family, BigInt(`0x${digits ?? "0"}`)), length));
      return flowKey(make(id, [])) === key ? id : undefined;
    },
    between: (id, before, after) => bitsTable.union(longestMatch(id, before), longestMatch(id, after)),
    isNew: (bits) => bitsTable.pick(bits, fresh) === bits,
    early(id, before, after) {
      const picked = bitsTable.pick(longestMatch(id, after), fresh);
      // One that comes is told even without such bits: what covers it may win them.
      if (picked === noBits && before(id) !== undefined) return undefined;
      return bitsTable.union(longestMatch(id, before), picked);
    },
  };
}

/** What holds for the addresses of a prefix that no longer one covers. */
function longestMatch(id: PrefixKey, find: (id: PrefixKey) => SetBits | undefined): SetBits {
  const own = find(id);
  if (own !== undefined) return own;
  for (const shorter of shorterPrefixes(id)) {
    const value = find(shorter);
    if (value !== undefined) return value;
  }
  return noBits;
}

/** Any address: keys of others differ from its key in its digits only. */
const sample = { v4: 0x5a5a_5a5a, v6: "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a" } as const;

interface KeyTemplate {
  key(digits: string): string;
  digits(key: string): string | undefined;
}

function keyTemplate(key: string, digits: string): KeyTemplate {
  const [before = "", after = ""] = key.split(digits);
  return {
    key: (other) => before + other + after,
    digits(other) {
      if (!other.startsWith(before) || !other.endsWith(after)) return undefined;
      const between = other.slice(before.length, other.length - after.length);
      return /^(0|[1-9a-f][0-9a-f]*)$/.test(between) ? between : undefined;
    },
  };
}

/** Sets the bits, then does `rest`. Flows with equal bits share the list. */
function actionsBySets(rest: readonly Action[]): (bits: SetBits) => readonly Action[] {
  const known = new WeakMap<SetBits, readonly Action[]>();
  return (bits) => {
    let actions = known.get(bits);
    if (actions === undefined) {
      actions = [...setBits(bitsValue(bits)), ...rest];
      known.set(bits, actions);
    }
    return actions;
  };
}

function setBits(bits: bigint): Action[] {
  const low = bits & lowHalf;
  const high = bits >> halfPage;
  return [...(low === 0n ? [] : [setRegister("setBitsLow", low, low)]), ...(high === 0n ? [] : [setRegister("setBitsHigh", high, high)])];
}
