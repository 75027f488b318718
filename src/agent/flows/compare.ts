import type { FlowIdentity, FlowLedger, PartOfTable } from "#core/pipeline/flow-ledger.ts";
import { type GroupLedger, sameGroup } from "#core/pipeline/group-ledger.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";
import type { DriftLog, Finding } from "../drift.ts";

/** Something in the switch that is not as it should be, and which way. */
export interface Difference<Item> {
  readonly finding: Finding;
  /** What should be there; of an unknown one, what is. */
  readonly item: Item;
}

/** Something that should be there is not, or is otherwise. */
export const isLacking = ({ finding }: Difference<unknown>): boolean => finding !== "unknown";

/** Tells the log what others changed, in `words`. */
export function tellDrift<Item>(
  drift: DriftLog,
  target: "flow" | "group" | "meter",
  differences: readonly Difference<Item>[],
  words: (item: Item) => string,
): void {
  const byFinding = Map.groupBy(differences, ({ finding }) => finding);
  for (const [finding, found] of byFinding) drift.found({ target, finding, what: found.map(({ item }) => words(item)) });
}

/** What of the page `within` (default everything) is wrong among the flows `present`. Whether unknown ones are wrong is for the caller to say. */
export async function compareFlows(options: {
  readonly ledger: FlowLedger;
  readonly present: AsyncIterable<Flow> | Iterable<Flow>;
  readonly within?: PartOfTable;
}): Promise<Difference<Flow>[]> {
  const { ledger, present, within } = options;
  const found = new Set<FlowIdentity>();
  const differences: Difference<Flow>[] = [];
  for await (const flow of present) {
    const compared = ledger.compare(flow);
    if (compared === "unknown") differences.push({ finding: "unknown", item: flow });
    else {
      found.add(ledger.identify(flow));
      if (compared === "other") differences.push({ finding: "changed", item: ledger.get(flowKey(flow)) ?? flow });
    }
  }
  const tables = within && new Set([within.table]);
  // As many as should be there are: then none is missing.
  if (tables !== undefined && within?.cookieMask === 0n && found.size === ledger.sizeIn(tables)) return differences;
  for (const item of ledger.lacking(found, within)) differences.push({ finding: "missing", item });
  return differences;
}

export function compareGroups(groups: GroupLedger, present: readonly Group[]): Difference<Group>[] {
  const found = new Map(present.map((group) => [group.group, group]));
  const lacking = [...groups.groups()].flatMap((group): Difference<Group>[] => {
    const there = found.get(group.group);
    if (there === undefined) return [{ finding: "missing", item: group }];
    return sameGroup(there, group) ? [] : [{ finding: "changed", item: group }];
  });
  const unknown = present.filter(({ group }) => groups.get(group) === undefined);
  return [...lacking, ...unknown.map((item): Difference<Group> => ({ finding: "unknown", item }))];
}
