import { addressBits, type IpAddress, type Prefix } from "#lib/ip/index.ts";
import type { Action } from "#lib/openflow/action.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { FieldMatch, Match } from "#lib/openflow/match.ts";
import type { Subfield } from "#lib/openflow/subfield.ts";
import { TableConflict } from "./errors.ts";
import type { RegisterField } from "./register-allocation.ts";
import { type RegisterName, registers } from "./registers.ts";
import type { Pipeline, TableName } from "./tables.ts";

/** Priorities of flows that are no policy rules. Flows that overlap and differ never share one. */
export const priorities = { top: 220, high: 210, normal: 200, low: 190, lowest: 180, miss: 0 } as const;

export interface FlowParts {
  readonly priority: keyof typeof priorities | number;
  readonly cookie: bigint;
  readonly match: Match;
  readonly actions?: readonly Action[];
  /** The stage that comes after the actions. `sent`: the actions themselves send the packet, or hand it to a table. */
  readonly next: TableName | "drop" | "sent";
}

/** A flow of the table `name`. Throws {@link TableConflict} when it would send packets back. */
export function flow(pipeline: Pipeline, name: TableName, { priority, cookie, match, actions = [], next }: FlowParts): Flow {
  const table = pipeline.table(name);
  return {
    table,
    priority: typeof priority === "number" ? priority : priorities[priority],
    cookie,
    match,
    actions: next === "drop" || next === "sent" ? actions : actions.concat(goto(pipeline, table, next)),
  };
}

function goto(pipeline: Pipeline, from: number, name: TableName): Action {
  const table = pipeline.stage(name);
  if (table <= from) throw new TableConflict(name, `a flow of ${pipeline.nameOf(from)} goes there, which comes later`);
  const action: Action = gotos.get(table) ?? Object.freeze({ type: "goto_table", table });
  gotos.set(table, action);
  return action;
}

/** One for all flows: there are many, and at most 255 tables. */
const gotos = new Map<number, Action>();

export const ipv4 = 0x0800n;
export const ipv6 = 0x86ddn;
export const arp = 0x0806n;

/** The match on an address as source or destination of an IP packet. */
export const ipSource = ({ family, value }: IpAddress): Match =>
  family === 4 ? { eth_type: ipv4, ip_src: value } : { eth_type: ipv6, ipv6_src: value };
export const ipDestination = ({ family, value }: IpAddress): Match =>
  family === 4 ? { eth_type: ipv4, ip_dst: value } : { eth_type: ipv6, ipv6_dst: value };

/** The match on a block of addresses as source or destination. A length of 0 matches the family. */
export function prefixMatch(side: "source" | "destination", { family, address, length, mask }: Prefix): Match {
  const eth_type = family === 4 ? ipv4 : ipv6;
  if (length === 0) return { eth_type };
  const field = side === "source" ? (family === 4 ? "ip_src" : "ipv6_src") : family === 4 ? "ip_dst" : "ipv6_dst";
  return { eth_type, [field]: length === addressBits(family) ? address.value : { value: address.value, mask } };
}

/** Values to match by register field name. A masked value is given in the field's own bits. */
export type RegisterValues = { readonly [Name in RegisterName]?: FieldMatch };

/** The match that holds when all `values` stand in their register fields. */
export function whenRegisters(values: RegisterValues): Match {
  const match: { [Name in FieldName]?: FieldMatch } = {};
  for (const [name, wanted] of Object.entries(values) as [RegisterName, FieldMatch][]) {
    const place = registers[name];
    const shift = BigInt(place.offset);
    const { value, mask } = typeof wanted === "bigint" ? { value: wanted, mask: ones(place.bits) } : wanted;
    const present = match[place.field];
    const before = present === undefined || typeof present === "bigint" ? { value: 0n, mask: 0n } : present;
    match[place.field] = { value: before.value | (value << shift), mask: before.mask | (mask << shift) };
  }
  for (const [field, { value, mask }] of Object.entries(match) as [FieldName, { value: bigint; mask: bigint }][])
    if (mask === ones(field.startsWith("xxreg") ? 128 : 32)) match[field] = value;
  return match;
}

/** Writes `value` into a register field and nothing beside it; with `bits`, only into those bits of the field. */
export function setRegister(name: RegisterName, value: bigint, bits?: bigint): Action {
  const place: RegisterField = registers[name];
  const mask = (bits ?? ones(place.bits)) << BigInt(place.offset);
  const whole = mask === ones(place.field.startsWith("xxreg") ? 128 : 32);
  return { type: "set_field", field: place.field, value: value << BigInt(place.offset), ...(whole ? {} : { mask }) };
}

/** A register field as source or destination of `move` and `output`. */
export function subfieldOf(name: RegisterName): Subfield {
  const { field, offset, bits } = registers[name];
  return { field, offset, bits };
}

/** The whole of a packet field as source or destination of `move`. */
export const wholeField = (field: FieldName, bits: number): Subfield => ({ field, offset: 0, bits });

export const setField = (field: FieldName, value: bigint): Action => ({ type: "set_field", field, value });

const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
