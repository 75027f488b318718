import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, whenRegisters } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { Pipeline } from "../tables.ts";

/** Who is subject to policy at all. A pod without a profile is closed: its policies are not computed yet. */
export function compilePolicyGates(pipeline: Pipeline): Flow[] {
  const made = { cookie: cookie("networkPolicy") };
  return [
    flow(pipeline, "EgressSecurityClassifier", {
      ...made,
      priority: "low",
      match: whenRegisters({ source: portKind.pod }),
      next: "drop",
    }),
    flow(pipeline, "IngressSecurityClassifier", {
      ...made,
      priority: "top",
      match: whenRegisters({ known: 1n }),
      next: "Output",
    }),
    flow(pipeline, "IngressSecurityClassifier", {
      ...made,
      priority: "high",
      match: whenRegisters({ hostOrigin: 1n }),
      next: "ConntrackCommit",
    }),
    flow(pipeline, "IngressSecurityClassifier", {
      ...made,
      priority: "low",
      match: whenRegisters({ destination: portKind.pod }),
      next: "drop",
    }),
  ];
}
