import type { Direction } from "#core/api/controlplane/index.ts";
import type { Action, LearnAction } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Subfield } from "#lib/openflow/subfield.ts";
import { ruleLabels } from "../conntrack/fields.ts";
import { cookie, readCookie } from "../cookie.ts";
import { flow, priorities, subfieldOf } from "../flow-builder.ts";
import { policySides } from "../policy/sides.ts";
import type { Pipeline } from "../tables.ts";

const labels: Readonly<Record<Direction, Subfield>> = { In: ruleLabels.ingress, Out: ruleLabels.egress };
const directions = ["Out", "In"] as const;
const made = { priority: "normal", cookie: cookie("networkPolicy") } as const;

/** Counts a packet of a known connection for the rules that admitted it, which its label names. It goes on as it was. */
export function countKnown(pipeline: Pipeline): Action[] {
  if (!pipeline.has("statistics")) return [];
  return directions.map((direction) => ({ type: "resubmit", table: pipeline.table(policySides[direction].metric) }));
}

/**
 * Makes the counters of the rules that admit a connection, when they are not there yet: so there are no more of them than rules that are in use. What no
 * rule admitted has a counter, too (id 0), which nobody asks for.
 */
export function countAdmitted(pipeline: Pipeline): Action[] {
  if (!pipeline.has("statistics")) return [];
  return directions.map(
    (direction): LearnAction => ({
      type: "learn",
      table: pipeline.table(policySides[direction].metric),
      priority: priorities.normal,
      cookie: made.cookie,
      specs: [{ kind: "match", destination: labels[direction], source: subfieldOf(policySides[direction].ruleRegister) }],
    }),
  );
}

/** A rule whose known connections are counted. */
export interface CounterOf {
  readonly direction: Direction;
  readonly ruleId: number;
}

/** The counter of a rule, as the switch learns it. */
export function counterFlow(pipeline: Pipeline, { direction, ruleId }: CounterOf): Flow {
  const { field, offset, bits } = labels[direction];
  const [shift, ones] = [BigInt(offset), (1n << BigInt(bits)) - 1n];
  const match = { [field]: { value: BigInt(ruleId) << shift, mask: ones << shift } };
  return flow(pipeline, policySides[direction].metric, { ...made, match, next: "drop" });
}

/** Whose counter a flow is; undefined for every other flow. */
export function readCounter(pipeline: Pipeline, { table, match }: Pick<Flow, "table" | "match">): CounterOf | undefined {
  const direction = directions.find((each) => pipeline.table(policySides[each].metric) === table);
  const label = match.ct_label;
  if (direction === undefined || typeof label !== "object") return undefined;
  return { direction, ruleId: Number((label.value >> BigInt(labels[direction].offset)) & 0xffff_ffffn) };
}

/** For local experiments (IEEE 802, OUI-extended ethertypes): no packet that is counted has it. */
const noPacket = { eth_type: 0x88b5n };

/** A flow that no packet meets, with a number of its own: it tells whether the counters are those of before, or the switch began anew. */
export function switchMark(pipeline: Pipeline, mark: number): Flow {
  return flow(pipeline, "EgressMetric", { priority: "top", cookie: cookie("networkPolicy", mark), match: noPacket, next: "drop" });
}

/** The number of a {@link switchMark}; undefined for every other flow. */
export function readSwitchMark({ match, cookie: value }: Pick<Flow, "match" | "cookie">): number | undefined {
  return match.eth_type === noPacket.eth_type ? readCookie(value)?.object : undefined;
}
