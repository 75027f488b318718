import type { Frontend } from "#core/services/index.ts";
import type { LearnAction, LearnSpec } from "#lib/openflow/action.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import { cookie } from "../cookie.ts";
import { priorities, subfieldOf, wholeField } from "../flow-builder.ts";
import { sctpSilenceSeconds } from "../sctp/compile.ts";
import type { Pipeline } from "../tables.ts";
import { layer3, layer4 } from "./protocols.ts";

/** The longest that a flow can wait for a packet. Kubernetes allows affinity of 86 400 s; the last hours of that are cut. */
const longestIdle = 65_535;
/** Clients that an endpoint has at one time, so that a pod that opens SCTP associations without end cannot fill the switch. */
const learnedLimit = 10_000;

/**
 * Remembers the endpoint for the client: of the same address (ClientIP affinity), or the same association (SCTP). Every new connection begins
 * the time anew. What is remembered goes with the flow that has this action.
 */
export function learnEndpoint(pipeline: Pipeline, { address, protocol, affinitySeconds }: Frontend, id: number): LearnAction {
  const ip = layer3[address.family];
  const ports = layer4[protocol];
  const whole = (field: FieldName, bits: number): LearnSpec => {
    const same = wholeField(field, bits);
    return { kind: "match", destination: same, source: same };
  };
  return {
    type: "learn",
    table: pipeline.table("SessionAffinity"),
    priority: priorities.normal,
    idleTimeout: Math.min(Math.max(1, affinitySeconds ?? sctpSilenceSeconds), longestIdle),
    cookie: cookie("service", id),
    deleteLearned: true,
    limit: learnedLimit,
    specs: [
      { kind: "match", destination: wholeField("eth_type", 16), source: ip.etherType },
      { kind: "match", destination: wholeField("ip_proto", 8), source: ports.number },
      whole(ip.source, ip.bits),
      whole(ip.destination, ip.bits),
      ...(affinitySeconds === undefined ? [whole(ports.source, 16)] : []),
      whole(ports.destination, 16),
      { kind: "load", destination: subfieldOf("endpoint"), source: BigInt(id) },
    ],
  };
}
