import type { AntreaPeer, AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";

export type PolicySpec = NonNullable<AntreaPolicy["spec"]>;

/** Something of a policy, and where in it it stands: `spec.egress[2].to[0]`. */
export interface Placed<Item> {
  readonly item: Item;
  readonly path: string;
}

export interface PlacedRule extends Placed<AntreaRule> {
  readonly direction: "ingress" | "egress";
}

/** Why something is refused, with the field that is to be changed. */
export const refusal = (problem: string, path: string): string => `${problem} (${path})`;

const placed = <Item>(items: readonly Item[] | undefined, path: string): Placed<Item>[] =>
  (items ?? []).map((item, index) => ({ item, path: `${path}[${index}]` }));

/** A policy, and its rules with their places: ingress before egress, as the Go implementation goes through them. */
export interface PlacedPolicy {
  readonly spec: PolicySpec;
  readonly rules: readonly PlacedRule[];
}

export const placedPolicy = (spec: PolicySpec): PlacedPolicy => ({
  spec,
  rules: (["ingress", "egress"] as const).flatMap((direction) =>
    (spec[direction] ?? []).map((item, index) => ({ item, path: `spec.${direction}[${index}]`, direction })),
  ),
});

export const peersOf = ({ item: { from, to }, path }: PlacedRule): readonly Placed<AntreaPeer>[] => [
  ...placed(from, `${path}.from`),
  ...placed(to, `${path}.to`),
];

export const portsOf = ({ item: { ports }, path }: PlacedRule) => placed(ports, `${path}.ports`);
export const protocolsOf = ({ item: { protocols }, path }: PlacedRule) => placed(protocols, `${path}.protocols`);
export const toServicesOf = ({ item: { toServices }, path }: PlacedRule) => placed(toServices, `${path}.toServices`);

/** What the whole policy is applied to (`rule` absent), or one of its rules. */
export const appliedToOf = (spec: PolicySpec, rule?: PlacedRule): readonly Placed<AppliedTo>[] =>
  rule === undefined ? placed(spec.appliedTo, "spec.appliedTo") : placed(rule.item.appliedTo, `${rule.path}.appliedTo`);

/** What `check` says of the first item of which it says anything. */
export function first<Item>(items: Iterable<Item>, check: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const problem = check(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The fields of `entry` that say anything. */
export const presentFields = (entry: object): readonly string[] =>
  Object.entries(entry).flatMap(([field, value]) => (value === undefined || value === "" ? [] : [field]));
