import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, setRegister, whenRegisters } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import { bitsCleared, type PolicyLayer, type SegmentNumbers } from "./layers.ts";
import type { PolicySide } from "./sides.ts";

/** Below all rules of a segment. */
const nextSegmentPriority = 100;

/** What a port is given: the first segments of its profiles, 0 for none; the page is that of the first which there is. */
export interface PortNumbers {
  readonly tierProfile: number;
  readonly profile: number;
  readonly page: number;
}

/** Which rules hold for a port. Without any no policy selects its pod in this direction. */
export function compilePort(
  pipeline: Pipeline,
  side: PolicySide,
  { port, numbers }: { readonly port: LocalPort; readonly numbers: PortNumbers | undefined },
): Flow {
  const ofport = BigInt(port.ofport);
  return flow(pipeline, side.classifier, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: side.direction === "Out" ? { in_port: ofport } : whenRegisters({ destination: portKind.pod, outputPort: ofport }),
    ...(numbers === undefined
      ? { next: side.admitted }
      : {
          actions: [
            setRegister("profile", BigInt(numbers.profile)),
            setRegister("page", BigInt(numbers.page)),
            setRegister("tierProfile", BigInt(numbers.tierProfile)),
            ...bitsCleared,
          ],
          next: side.members,
        }),
  });
}

/** What no rule of the segment decided is judged by the next one, with the bits of its page. */
export function compileNextSegment(pipeline: Pipeline, layer: PolicyLayer, segment: SegmentNumbers, next: SegmentNumbers): Flow {
  return flow(pipeline, layer.table, {
    priority: nextSegmentPriority,
    cookie: cookie("networkPolicy"),
    match: layer.whenSegment(segment),
    actions: [...layer.enter(next), { type: "resubmit", table: pipeline.table(layer.side.members) }],
    next: "sent",
  });
}

/** A number that leads to a segment from whatever page is loaded. */
export function compileDoor(pipeline: Pipeline, layer: PolicyLayer, door: number, segment: SegmentNumbers): Flow {
  return flow(pipeline, layer.table, {
    priority: nextSegmentPriority,
    cookie: cookie("networkPolicy"),
    match: whenRegisters({ profile: BigInt(door) }),
    actions: [...layer.enter(segment), { type: "resubmit", table: pipeline.table(layer.side.members) }],
    next: "sent",
  });
}

export interface IsolationOptions {
  /** Controller action for the audit log; absent: what is dropped is not logged. */
  readonly log?: Action | undefined;
  /** Controller action that answers the sender; absent: it hears nothing. */
  readonly reject?: Action | undefined;
}

/** Pods of the segment's profile are isolated: what no rule admitted is dropped, whatever protocol it is. */
export function compileIsolation(
  pipeline: Pipeline,
  side: PolicySide,
  segment: SegmentNumbers,
  { log, reject }: IsolationOptions = {},
): Flow {
  const actions = [log, reject].filter((action) => action !== undefined);
  return flow(pipeline, side.defaultRule, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: whenRegisters({ profile: BigInt(segment.id) }),
    ...(actions.length === 0 ? {} : { actions }),
    next: "drop",
  });
}
