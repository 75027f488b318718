import { readCookie } from "#core/pipeline/cookie.ts";
import type { Pipeline } from "#core/pipeline/index.ts";
import { policySides } from "#core/pipeline/policy/sides.ts";
import { type CounterOf, readCounter } from "#core/pipeline/statistics/index.ts";
import type { FlowReading } from "#core/statistics/index.ts";
import { type FlowEntry, flowKey } from "#lib/openflow/flow.ts";

/** The tables whose flows count for rules. */
export function countedTables(pipeline: Pipeline): { readonly rules: readonly number[]; readonly known: readonly number[] } {
  const sides = [policySides.Out, policySides.In];
  const numbers = (names: readonly Parameters<Pipeline["table"]>[0][]): number[] => names.map((name) => pipeline.table(name));
  return {
    rules: numbers(sides.flatMap(({ tierRule, rule, defaultRule }) => [tierRule, rule, defaultRule])),
    known: numbers(sides.map(({ metric }) => metric)),
  };
}

/** What a flow counted for a rule; undefined for flows of no rule. */
export function readingOf(
  pipeline: Pipeline,
  flow: Omit<FlowEntry, "actions">,
): (FlowReading & { readonly counter?: CounterOf }) | undefined {
  const counted = { packets: Number(flow.stats.packets), bytes: Number(flow.stats.bytes) };
  const counter = readCounter(pipeline, flow);
  if (counter !== undefined)
    return counter.ruleId === 0 ? undefined : { key: flowKey(flow), ruleId: counter.ruleId, kind: "known", ...counted, counter };
  const meaning = readCookie(flow.cookie);
  if (meaning?.category !== "networkPolicy" || meaning.object === 0) return undefined;
  if (!countedTables(pipeline).rules.includes(flow.table)) return undefined;
  return { key: flowKey(flow), ruleId: meaning.object, kind: "rule", ...counted };
}
