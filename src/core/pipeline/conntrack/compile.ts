import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, setRegister, subfieldOf } from "../flow-builder.ts";
import { countAdmitted, countKnown } from "../statistics/index.ts";
import type { Pipeline } from "../tables.ts";
import { connectionSource, ctState, ctZones, ruleLabels } from "./fields.ts";

const families = [
  { eth_type: ipv4, zone: ctZones[4] },
  { eth_type: ipv6, zone: ctZones[6] },
] as const;

/** Every packet is tracked, and translated as its connection was. What belongs to a known connection, or is an error about one, passes over policy; what fits none is dropped. */
export function compileConntrack(pipeline: Pipeline): Flow[] {
  const made = { cookie: cookie("default") };
  const state = "ConntrackState";
  const known = [setRegister("known", 1n), ...countKnown(pipeline)];
  return [
    ...families.map(({ eth_type, zone }) =>
      flow(pipeline, "ConntrackZone", {
        ...made,
        priority: "normal",
        match: { eth_type },
        actions: [{ type: "ct", table: pipeline.table(state), zone, nat: {} }],
        next: "sent",
      }),
    ),
    flow(pipeline, state, { ...made, priority: "high", match: { ct_state: ctState("+inv+trk") }, next: "drop" }),
    flow(pipeline, state, {
      ...made,
      priority: "normal",
      match: { ct_state: ctState("-new+est+trk") },
      actions: known,
      next: "L3Forwarding",
    }),
    flow(pipeline, state, {
      ...made,
      priority: "normal",
      match: { ct_state: ctState("-new+rel+trk") },
      actions: known,
      next: "L3Forwarding",
    }),
    flow(pipeline, state, {
      ...made,
      priority: "normal",
      match: { ct_state: ctState("+new+trk") },
      next: "PreRoutingClassifier",
    }),
  ];
}

/** New connections that got here are admitted: tracked with where they came from and the rules that admitted them. */
export function compileCommit(pipeline: Pipeline): Flow[] {
  return families.map(({ eth_type, zone }) =>
    flow(pipeline, "ConntrackCommit", {
      cookie: cookie("default"),
      priority: "normal",
      match: { eth_type, ct_state: ctState("+new+trk") },
      actions: [...countAdmitted(pipeline), commitTo(zone)],
      next: "Output",
    }),
  );
}

/** What every admitted connection remembers. */
export const admission: readonly Action[] = [
  { type: "move", source: subfieldOf("source"), destination: connectionSource },
  { type: "move", source: subfieldOf("ingressRule"), destination: ruleLabels.ingress },
  { type: "move", source: subfieldOf("egressRule"), destination: ruleLabels.egress },
];

/** Remembers the connection in `zone`. */
export function commitTo(zone: number): Action {
  return { type: "ct", commit: true, zone, exec: admission };
}
