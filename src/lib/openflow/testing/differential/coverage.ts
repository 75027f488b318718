import type { Action } from "../../action.ts";
import type { MemorySwitch } from "../../switch/memory-switch.ts";

/** What packets touched: how many entries of each table they hit, which actions were done and which fields matched there. */
export interface Coverage {
  readonly tables: Map<number, { hit: Set<string>; all: number }>;
  readonly actions: Map<string, number>;
  readonly fields: Map<string, number>;
}

export const newCoverage = (): Coverage => ({ tables: new Map(), actions: new Map(), fields: new Map() });

/** Adds what packets did in a switch. */
export function cover(coverage: Coverage, memory: MemorySwitch): void {
  const add = (counts: Map<string, number>, name: string, packets: number): void =>
    void counts.set(name, (counts.get(name) ?? 0) + packets);
  const addActions = (actions: readonly Action[], packets: number): void => {
    for (const action of actions) {
      add(coverage.actions, action.type, packets);
      if (action.type === "clone" || action.type === "write_actions") addActions(action.actions, packets);
      if (action.type === "ct" && action.exec !== undefined) addActions(action.exec, packets);
      if (action.type === "ct" && action.nat !== undefined) add(coverage.actions, `nat ${action.nat.kind ?? "again"}`, packets);
    }
  };
  for (const entry of memory.rules.entries()) {
    const table = coverage.tables.get(entry.flow.table) ?? { hit: new Set<string>(), all: 0 };
    coverage.tables.set(entry.flow.table, table);
    table.all++;
    if (entry.packets === 0) continue;
    table.hit.add(`${entry.shape.text}|${entry.priority}`);
    addActions(entry.flow.actions, entry.packets);
    for (const field of Object.keys(entry.flow.match)) add(coverage.fields, field, entry.packets);
  }
  for (const group of memory.dumpGroups()) for (const bucket of group.buckets) addActions(bucket.actions, 1);
}

/** The coverage in three lines. */
export function describeCoverage({ tables, actions, fields }: Coverage): string {
  const list = (counts: Map<string, number>): string =>
    [...counts]
      .sort(([, one], [, other]) => other - one)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const perTable = [...tables]
    .sort(([one], [other]) => one - other)
    .map(([number, { hit, all }]) => `${number}: ${hit.size} kinds of ${all}`);
  return `tables: ${perTable.join(", ")}\nactions: ${list(actions)}\nfields: ${list(fields)}`;
}
