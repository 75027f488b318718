import type { Flow } from "#lib/openflow/flow.ts";
import { connectionMarks, ctState } from "../conntrack/fields.ts";
import { cookie } from "../cookie.ts";
import { flow, setRegister, whenRegisters } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import { countKnown } from "../statistics/index.ts";
import type { Pipeline } from "../tables.ts";
import { compileHairpinSkeleton } from "./hairpin.ts";

/** What serves Services whatever they are: only pods' connections are translated. */
export function compileServiceSkeleton(pipeline: Pipeline): Flow[] {
  const made = { cookie: cookie("service") };
  return [
    flow(pipeline, "PreRoutingClassifier", {
      ...made,
      priority: "normal",
      match: whenRegisters({ source: portKind.pod }),
      actions: [{ type: "resubmit", table: pipeline.table("SessionAffinity") }],
      next: "ServiceLB",
    }),
    // Committed, so admitted before; a second packet ahead of the first reply is new to the tracker, and translated already.
    flow(pipeline, "ConntrackState", {
      ...made,
      priority: "high",
      match: { ct_state: ctState("+new-inv+trk"), ct_mark: { value: serviceBit, mask: serviceBit } },
      actions: [setRegister("known", 1n), ...countKnown(pipeline)],
      next: "L3Forwarding",
    }),
    ...compileHairpinSkeleton(pipeline),
  ];
}

const serviceBit = 1n << BigInt(connectionMarks.service.offset);
