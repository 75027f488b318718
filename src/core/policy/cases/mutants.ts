import { whenRegisters } from "#core/pipeline/flow-builder.ts";
import { createPipeline, registers, type RegisterName, type TableName } from "#core/pipeline/index.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Action, Flow } from "#lib/openflow/flow.ts";
import { type FieldMatch, type Match, normalMatch } from "#lib/openflow/match.ts";

export type Mutation = (flows: readonly Flow[]) => readonly Flow[];

const pipeline = createPipeline();

/** Changes the flows of a table that are no miss flow; undefined takes a flow away. */
function inTable(name: TableName, change: (flow: Flow) => Flow | undefined): Mutation {
  const table = pipeline.table(name);
  return (flows) => flows.flatMap((flow) => (flow.table === table && flow.priority > 0 ? (change(flow) ?? []) : flow));
}

/** Takes conditions away, or writes others in their place. */
function rematch(change: (field: FieldName, value: FieldMatch) => readonly [FieldName, FieldMatch] | undefined): (flow: Flow) => Flow {
  return (flow) => ({
    ...flow,
    match: Object.fromEntries(
      (Object.entries(flow.match) as [FieldName, FieldMatch][]).flatMap(([field, value]) => {
        const changed = change(field, value);
        return changed === undefined ? [] : [changed];
      }),
    ) as Match,
  });
}

const without = (wanted: (field: FieldName) => boolean) => rematch((field, value) => (wanted(field) ? undefined : [field, value]));
const isPort = (field: FieldName): boolean => field === "tcp_dst" || field === "udp_dst" || field === "sctp_dst";
const fieldOf = (name: RegisterName): string => registers[name].field;
/** Rules match set bits in the narrow registers that the wide ones are made of. */
const setBitFields = new Set(Object.keys(normalMatch(whenRegisters({ setBitsLow: (1n << 128n) - 1n, setBitsHigh: (1n << 128n) - 1n }))));
const isSetBit = (field: FieldName): boolean => setBitFields.has(field);
const sets = (action: Action, ...names: RegisterName[]): boolean =>
  action.type === "set_field" && names.some((name) => action.field === fieldOf(name));
const doing =
  (change: (action: Action) => Action | undefined) =>
  (flow: Flow): Flow => ({
    ...flow,
    actions: flow.actions.flatMap((action) => change(action) ?? []),
  });
const shifted = (match: FieldMatch): FieldMatch =>
  typeof match === "bigint" ? match << 1n : { value: match.value << 1n, mask: match.mask << 1n };
const both = (first: TableName, second: TableName, change: (flow: Flow) => Flow | undefined): Mutation => {
  const [one, other] = [inTable(first, change), inTable(second, change)];
  return (flows) => other(one(flows));
};

/** Mistakes that a compiler of policies could make, as what would come of them in its flows. */
export const mutants: readonly (readonly [name: string, mutation: Mutation])[] = [
  ["forgets the default drop of ingress", inTable("IngressDefaultRule", () => undefined)],
  ["forgets the default drop of egress", inTable("EgressDefaultRule", () => undefined)],
  [
    "drops by default nothing but TCP",
    inTable("IngressDefaultRule", (flow) => ({ ...flow, match: { ...flow.match, eth_type: 0x0800n, ip_proto: 6n } })),
  ],
  ["drops by default nothing but IPv4", inTable("EgressDefaultRule", (flow) => ({ ...flow, match: { ...flow.match, eth_type: 0x0800n } }))],
  ["ignores ports", both("IngressRule", "EgressRule", without(isPort))],
  [
    "opens a port too many at the end of ranges",
    both(
      "IngressRule",
      "EgressRule",
      rematch((field, value) => [
        field,
        isPort(field)
          ? {
              value: (typeof value === "bigint" ? value : value.value) & ~1n,
              mask: (typeof value === "bigint" ? 0xffffn : value.mask) & ~1n,
            }
          : value,
      ]),
    ),
  ],
  [
    "forgets the masks of ranges",
    inTable("IngressRule", (flow) =>
      Object.entries(flow.match).some(([field, value]) => isPort(field as FieldName) && typeof value !== "bigint") ? undefined : flow,
    ),
  ],
  [
    "takes UDP for TCP",
    inTable(
      "IngressRule",
      rematch((field, value) =>
        field === "ip_proto" && value === 17n ? [field, 6n] : field === "udp_dst" ? ["tcp_dst", value] : [field, value],
      ),
    ),
  ],
  [
    "takes SCTP for TCP",
    inTable(
      "EgressRule",
      rematch((field, value) =>
        field === "ip_proto" && value === 132n ? [field, 6n] : field === "sctp_dst" ? ["tcp_dst", value] : [field, value],
      ),
    ),
  ],
  [
    "lets rules hold for every pod in ingress",
    inTable(
      "IngressRule",
      without((field) => field === fieldOf("profile")),
    ),
  ],
  [
    "lets rules hold for every pod in egress",
    inTable(
      "EgressRule",
      without((field) => field === fieldOf("profile")),
    ),
  ],
  ["ignores peers in ingress", inTable("IngressRule", without(isSetBit))],
  ["ignores peers in egress", inTable("EgressRule", without(isSetBit))],
  [
    "looks at the wrong set's bit",
    inTable(
      "IngressRule",
      rematch((field, value) => [field, isSetBit(field) ? shifted(value) : value]),
    ),
  ],
  ["forgets members in ingress", inTable("IngressMembers", () => undefined)],
  ["forgets members in egress", inTable("EgressMembers", () => undefined)],
  [
    "lets members of IPv6 be in no set",
    both("IngressMembers", "EgressMembers", (flow) => (flow.match.eth_type === 0x86ddn ? undefined : flow)),
  ],
  ["forgets blocks", both("IngressPrefixes", "EgressPrefixes", () => undefined)],
  [
    "lets a shorter block win over a longer one",
    both("IngressPrefixes", "EgressPrefixes", (flow) => ({ ...flow, priority: 1_000 - flow.priority })),
  ],
  [
    "does not take exceptions out of blocks",
    both("IngressPrefixes", "EgressPrefixes", (flow) =>
      flow.actions.some((action) => sets(action, "setBitsLow", "setBitsHigh")) ? flow : undefined,
    ),
  ],
  [
    "looks for the peer at the wrong end",
    inTable(
      "IngressMembers",
      rematch((field, value) => (field === "ip_src" ? ["ip_dst", value] : field === "ipv6_src" ? ["ipv6_dst", value] : [field, value])),
    ),
  ],
  [
    "keeps the bits of egress for ingress",
    inTable(
      "IngressSecurityClassifier",
      doing((action) => (sets(action, "setBitsLow", "setBitsHigh") ? undefined : action)),
    ),
  ],
  ["polices the node's own packets", inTable("IngressSecurityClassifier", (flow) => (flow.priority === 210 ? undefined : flow))],
  [
    "lets what is admitted at its source pass ingress",
    inTable("EgressRule", (flow) => ({
      ...flow,
      actions: [
        ...flow.actions.filter(({ type }) => type !== "goto_table"),
        {
          type: "set_field",
          field: "reg0",
          value: 1n << BigInt(registers.hostOrigin.offset),
          mask: 1n << BigInt(registers.hostOrigin.offset),
        },
        ...flow.actions.filter(({ type }) => type === "goto_table"),
      ],
    })),
  ],
];
