import fc from "fast-check";
import { IpAddress } from "#lib/ip/index.ts";
import type { Action, LearnSpec, Nat } from "../action.ts";
import { compact } from "../actions/codec.ts";
import { type Field, fieldList, fields } from "../fields.ts";
import type { Flow } from "../flow.ts";
import type { FieldMatch, Match } from "../match.ts";
import type { Subfield } from "../subfield.ts";

/** Random flows and their parts for property tests. Each is one that the codecs can express; a switch need not accept it. */

const value = (field: Field): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: field.allOnes });

const condition = (field: Field): fc.Arbitrary<FieldMatch> =>
  field.maskable ? fc.oneof(value(field), fc.record({ value: value(field), mask: value(field) }, { noNullPrototype: true })) : value(field);

/** Conditions on any fields, without regard to prerequisites. */
export const anyMatch: fc.Arbitrary<Match> = fc
  .uniqueArray(fc.constantFrom(...fieldList), { maxLength: 8 })
  .chain((chosen) =>
    fc
      .tuple(...chosen.map(condition))
      .map((conditions) => Object.fromEntries(chosen.map((field, index) => [field.name, conditions[index]]))),
  );

/** Conditions whose text means one thing: at most one protocol, and the fields that belong to it. */
export const printableMatch: fc.Arbitrary<Match> = fc
  .tuple(
    fc.constantFrom<Match>(
      {},
      { eth_type: 0x0800n },
      { eth_type: 0x86ddn },
      { eth_type: 0x0806n },
      { eth_type: 0x1234n },
      { eth_type: 0x0800n, ip_proto: 6n },
      { eth_type: 0x86ddn, ip_proto: 17n },
      { eth_type: 0x86ddn, ip_proto: 132n },
      { eth_type: 0x0800n, ip_proto: 1n },
      { eth_type: 0x86ddn, ip_proto: 58n },
      { eth_type: 0x86ddn, ip_proto: 58n, icmpv6_type: 135n },
      { eth_type: 0x0800n, ip_proto: 50n },
    ),
    fc.infiniteStream(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })),
    fc.infiniteStream(fc.boolean()),
  )
  .map(([protocol, numbers, coins]) => {
    const match: { -readonly [Name in keyof Match]: Match[Name] } = { ...protocol };
    for (const field of fieldList) {
      const allowed = Object.entries(field.prerequisites).every(([name, permitted]) =>
        permitted.includes(protocol[name as keyof Match] as bigint),
      );
      const skipped = field.name in protocol || field.text === "ip_frag" || field.text === "ct_state" || field.name === "in_port_oxm";
      if (!allowed || skipped || field.name === "packet_type" || coins.next().value === false || coins.next().value === false) continue;
      // The port ANY would read as no condition.
      const exact = (numbers.next().value ?? 0n) & (field.text === "port" ? 0x7fffn : field.allOnes);
      const mask = (numbers.next().value ?? 0n) & field.allOnes;
      match[field.name] = field.maskable && coins.next().value ? { value: exact & mask, mask } : exact;
    }
    return match;
  });

const writable = fieldList.filter((field) => field.writable);
const subfieldOf = (field: Field, most: number): fc.Arbitrary<Subfield> =>
  fc
    .integer({ min: 1, max: Math.min(most, field.bits) })
    .chain((bits) => fc.integer({ min: 0, max: field.bits - bits }).map((offset) => ({ field: field.name, offset, bits })));
const subfield = (most: number): fc.Arbitrary<Subfield> => fc.constantFrom(...writable).chain((field) => subfieldOf(field, most));
const pairOfSubfields = fc
  .tuple(fc.constantFrom(...writable), fc.constantFrom(...writable))
  .chain(([one, other]) =>
    fc
      .integer({ min: 1, max: Math.min(one.bits, other.bits) })
      .map((bits) => ({ one: { field: one.name, offset: 0, bits }, other: { field: other.name, offset: other.bits - bits, bits } })),
  );

const port = fc.oneof(
  fc.integer({ min: 1, max: 0xfe00 }),
  fc.constantFrom("IN_PORT" as const, "LOCAL" as const, "NORMAL" as const, "FLOOD" as const),
);
const table = fc.integer({ min: 0, max: 253 });
const uint = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
const positive = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 1, max: 2 ** bits - 1 });
const flag = fc.option(fc.constant(true as const), { nil: undefined });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const address = fc.oneof(
  fc.bigInt({ min: 1n, max: 0xffff_ffffn }).map((number) => new IpAddress(4, number)),
  fc.bigInt({ min: 1n, max: (1n << 128n) - 1n }).map((number) => new IpAddress(6, number)),
);
const nat: fc.Arbitrary<Nat> = fc.oneof(
  fc.constant<Nat>({}),
  fc
    .record({
      kind: fc.constantFrom("src" as const, "dst" as const),
      min: address,
      ports: maybe(fc.integer({ min: 1, max: 65_000 })),
      persistent: flag,
    })
    .map(({ kind, min, ports, persistent }) =>
      compact<Nat>({
        kind,
        addresses: (min.value & 1n) === 1n ? { min } : { min, max: new IpAddress(min.family, min.value | 1n) },
        ports: ports === undefined ? undefined : { min: ports, max: ports + 5 },
        persistent,
        selection: undefined,
      }),
    ),
);

const setField: fc.Arbitrary<Action> = fc
  .constantFrom(...writable)
  .chain((field) =>
    fc
      .record({ value: value(field), mask: maybe(fc.bigInt({ min: 1n, max: field.allOnes })) })
      .map(
        ({ value: number, mask }): Action =>
          mask === undefined || mask === field.allOnes || !field.maskable
            ? { type: "set_field", field: field.name, value: number }
            : { type: "set_field", field: field.name, value: number & mask, mask },
      ),
  );

const learnSpec: fc.Arbitrary<LearnSpec> = fc.oneof(
  pairOfSubfields.map(({ one, other }): LearnSpec => ({ kind: "match", destination: one, source: other })),
  pairOfSubfields.map(({ one, other }): LearnSpec => ({ kind: "load", destination: one, source: other })),
  subfieldOf(fields.reg3, 31).chain((destination) =>
    fc.bigInt({ min: 0n, max: (1n << BigInt(destination.bits)) - 1n }).map((source): LearnSpec => ({ kind: "load", destination, source })),
  ),
  subfieldOf(fields.reg3, 16).map((source): LearnSpec => ({ kind: "output", source })),
);

const plainAction: fc.Arbitrary<Action> = fc.oneof(
  port.map((number): Action => ({ type: "output", port: number })),
  subfieldOf(fields.reg1, 32).map((source): Action => ({ type: "output_reg", source })),
  fc
    .record({ members: fc.array(uint(16), { maxLength: 6 }), destination: subfieldOf(fields.reg1, 32) })
    .map((options): Action => ({ type: "bundle_load", ...options })),
  setField,
  pairOfSubfields.map(({ one, other }): Action => ({ type: "move", source: one, destination: other })),
  fc
    .record({ table: maybe(table), port: maybe(fc.integer({ min: 1, max: 0xfe00 })) })
    .map(
      ({ table: number, port: inPort }): Action =>
        number === undefined && inPort === undefined
          ? { type: "resubmit", table: 0 }
          : compact<Extract<Action, { type: "resubmit" }>>({ type: "resubmit", table: number, port: inPort, ct: undefined }),
    ),
  fc.constantFrom<Action>(
    { type: "ct_clear" },
    { type: "dec_ttl" },
    { type: "pop_vlan" },
    { type: "exit" },
    { type: "push_vlan", etherType: 0x8100 },
  ),
  uint(32).map((group): Action => ({ type: "group", group })),
  fc
    .record({ id: uint(32), clause: fc.integer({ min: 1, max: 3 }) })
    .map(({ id, clause }): Action => ({ type: "conjunction", id, clause, clauses: 3 })),
  fc
    .record({
      userdata: fc.uint8Array({ minLength: 1, maxLength: 20 }),
      maxLength: maybe(uint(15)),
      id: maybe(positive(16)),
      pause: flag,
      meter: maybe(uint(32)),
    })
    .map((options): Action => compact<Extract<Action, { type: "controller" }>>({ type: "controller", reason: undefined, ...options })),
  fc
    .record({
      table,
      specs: fc.array(learnSpec, { maxLength: 4 }),
      idleTimeout: maybe(positive(16)),
      cookie: maybe(fc.bigInt({ min: 1n, max: (1n << 64n) - 1n })),
      deleteLearned: flag,
    })
    .map(
      (options): Action =>
        compact<Extract<Action, { type: "learn" }>>({
          type: "learn",
          priority: undefined,
          hardTimeout: undefined,
          finIdleTimeout: undefined,
          finHardTimeout: undefined,
          sendFlowRemoved: undefined,
          limit: undefined,
          resultDestination: undefined,
          ...options,
        }),
    ),
);

/** Any action of a list, in the form that reading gives back. */
export const anyAction: fc.Arbitrary<Action> = fc.oneof(
  plainAction,
  fc
    .record({
      commit: flag,
      force: flag,
      zone: maybe(fc.oneof(positive(16), subfieldOf(fields.reg0, 16))),
      table: maybe(table),
      nat: maybe(nat),
      exec: maybe(fc.array(setField, { minLength: 1, maxLength: 2 })),
    })
    .map((options): Action => compact<Extract<Action, { type: "ct" }>>({ type: "ct", alg: undefined, ...options })),
  fc.array(plainAction, { maxLength: 2 }).map((actions): Action => ({ type: "clone", actions })),
);

/** Any flow, in the form that reading gives back but for its match. */
export const anyFlow: fc.Arbitrary<Flow> = fc
  .record({
    table,
    priority: uint(16),
    cookie: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    match: printableMatch,
    actions: fc
      .tuple(fc.array(anyAction, { maxLength: 4 }), maybe(table))
      .map(([actions, next]): Action[] => (next === undefined ? actions : [...actions, { type: "goto_table", table: next }])),
    idleTimeout: maybe(positive(16)),
    hardTimeout: maybe(positive(16)),
    importance: maybe(positive(16)),
  })
  .map((parts) => compact<Flow>({ flags: undefined, unknownFields: undefined, ...parts }));

export const anySubfield = subfield(128);
