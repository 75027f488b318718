import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Match } from "#lib/openflow/match.ts";
import { cookie } from "../cookie.ts";
import { flow, setRegister, whenRegisters } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import type { PolicySide } from "./sides.ts";

/** The numbers under which the rules of a segment are found: its own, and that of the page whose bits they match. */
export interface SegmentNumbers {
  readonly id: number;
  readonly page: number;
}

/** Below all rules of a segment. */
const nextSegmentPriority = 100;

/** Which rules hold for a port: those of the first segment, which leads to the others. Without one no policy selects its pod in this direction. */
export function compilePortProfile(
  pipeline: Pipeline,
  side: PolicySide,
  { port, segment }: { readonly port: LocalPort; readonly segment: SegmentNumbers | undefined },
): Flow {
  const ofport = BigInt(port.ofport);
  return flow(pipeline, side.classifier, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: side.direction === "Out" ? { in_port: ofport } : whenRegisters({ destination: portKind.pod, outputPort: ofport }),
    ...(segment === undefined ? { next: side.admitted } : { actions: enter(segment), next: side.members }),
  });
}

/** What no rule of the segment admitted is judged by the next one, with the bits of its page. */
export function compileNextSegment(pipeline: Pipeline, side: PolicySide, segment: SegmentNumbers, next: SegmentNumbers): Flow {
  return flow(pipeline, side.rule, {
    priority: nextSegmentPriority,
    cookie: cookie("networkPolicy"),
    match: whenSegment(segment),
    actions: [...enter(next), { type: "resubmit", table: pipeline.table(side.members) }],
    next: "sent",
  });
}

/** Pods of the segment's profile are isolated: what no rule admitted is dropped, whatever protocol it is. */
export function compileIsolation(pipeline: Pipeline, side: PolicySide, segment: SegmentNumbers): Flow {
  return flow(pipeline, side.defaultRule, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: whenRegisters({ profile: BigInt(segment.id) }),
    next: "drop",
  });
}

/** The condition that the segment's rules are to be asked. */
export const whenSegment = ({ id, page }: SegmentNumbers): Match => whenRegisters({ profile: BigInt(id), page: BigInt(page) });

const enter = ({ id, page }: SegmentNumbers): Action[] => [
  setRegister("profile", BigInt(id)),
  setRegister("page", BigInt(page)),
  setRegister("setBitsLow", 0n),
  setRegister("setBitsHigh", 0n),
];
