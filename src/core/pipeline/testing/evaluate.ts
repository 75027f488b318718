import type { Action } from "#lib/openflow/action.ts";
import { type FieldName, fields as fieldTable } from "#lib/openflow/fields.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type FieldMatch, normalMatch } from "#lib/openflow/match.ts";

const longestWay = 1_000;

/** Values of a packet's fields; a field that is absent is zero. Wide registers stand in their narrow parts. */
export type PacketFields = { [Name in FieldName]?: bigint };

/** Where a packet went: the tables it hit, and the table `until` when it got there. */
export interface Evaluation {
  readonly arrived: boolean;
  readonly fields: PacketFields;
  readonly path: readonly string[];
}

/**
 * Runs a packet through flows from `table` on until it reaches `until` or ends. Knows what the policy tables use: exact and masked matches,
 * set_field, goto_table, resubmit as the last action, and copies to the controller, which change nothing; throws on anything else, and when two flows of one priority match and differ. For tests only.
 */
export function evaluate(flows: readonly Flow[], packet: PacketFields, { table, until }: { table: number; until: number }): Evaluation {
  const fields = { ...packet };
  const path: string[] = [];
  for (let at: number | undefined = table; at !== undefined; ) {
    if (path.length > longestWay) throw new Error(`no end after ${path.join(" ")}`);
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
  return Object.entries(normalMatch(match)).every(([name, wanted]) => {
    const value = fields[name as FieldName] ?? 0n;
    return typeof wanted === "bigint" ? value === wanted : (value & wanted.mask) === wanted.value;
  });
}

function act(action: Action, fields: PacketFields): number | undefined {
  if (action.type === "goto_table" || action.type === "resubmit") return action.table;
  if (action.type === "controller") return undefined;
  if (action.type !== "set_field") throw new Error(`the evaluator knows no action ${action.type}`);
  const { field, value, mask = fieldTable[field].allOnes } = action;
  for (const [part, wanted] of Object.entries(normalMatch({ [field]: { value, mask } })) as [FieldName, FieldMatch][]) {
    const [bits, only] = typeof wanted === "bigint" ? [wanted, fieldTable[part].allOnes] : [wanted.value, wanted.mask];
    fields[part] = ((fields[part] ?? 0n) & ~only) | bits;
  }
  return undefined;
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? `0x${part.toString(16)}` : part));
