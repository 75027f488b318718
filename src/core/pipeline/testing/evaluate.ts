import type { Action } from "#lib/openflow/action.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Flow } from "#lib/openflow/flow.ts";

/** Values of a packet's fields; a field that is absent is zero. Wide registers are kept apart from the narrow ones. */
export type PacketFields = { [Name in FieldName]?: bigint };

/** Where a packet went: the tables it hit, and the table `until` when it got there. */
export interface Evaluation {
  readonly arrived: boolean;
  readonly fields: PacketFields;
  readonly path: readonly string[];
}

/**
 * Runs a packet through flows from `table` on until it reaches `until` or ends. Knows what the policy tables use: exact and masked matches,
 * set_field and goto_table; throws on anything else, and when two flows of one priority match and differ. For tests only.
 */
export function evaluate(flows: readonly Flow[], packet: PacketFields, { table, until }: { table: number; until: number }): Evaluation {
  const fields = { ...packet };
  const path: string[] = [];
  for (let at: number | undefined = table; at !== undefined; ) {
    if (at >= until) return { arrived: true, fields, path };
    const hits = flows.filter((flow) => flow.table === at && matches(flow, fields)).sort((a, b) => b.priority - a.priority);
    const [best, other] = hits;
    if (best === undefined) return { arrived: false, fields, path };
    if (other?.priority === best.priority && text(other.actions) !== text(best.actions))
      throw new Error(`table ${at}: ${text(best)} and ${text(other)} overlap at one priority`);
    path.push(`${at}:${best.priority}`);
    at = undefined;
    for (const action of best.actions) at = act(action, fields) ?? at;
  }
  return { arrived: false, fields, path };
}

function matches({ match }: Flow, fields: PacketFields): boolean {
  return Object.entries(match).every(([name, wanted]) => {
    const value = fields[name as FieldName] ?? 0n;
    return typeof wanted === "bigint" ? value === wanted : (value & wanted.mask) === wanted.value;
  });
}

function act(action: Action, fields: PacketFields): number | undefined {
  if (action.type === "goto_table") return action.table;
  if (action.type !== "set_field") throw new Error(`the evaluator knows no action ${action.type}`);
  const mask = action.mask ?? -1n;
  fields[action.field] = ((fields[action.field] ?? 0n) & ~mask) | (action.value & mask);
  return undefined;
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? `0x${part.toString(16)}` : part));
