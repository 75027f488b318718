import type { Action, LearnSpec } from "#lib/openflow/action.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { commitTo } from "../conntrack/compile.ts";
import { ctState, ctZones } from "../conntrack/fields.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, priorities, subfieldOf, whenRegisters, wholeField } from "../flow-builder.ts";
import type { Pipeline } from "../tables.ts";

const sctp = 132n;
/** Longer than the pauses between SCTP heartbeats (30 s, RFC 9260 §16), as the kernel's tracker keeps an association for 210 s. */
const idleSeconds = 210;
/** Learned flows at one time, so that a pod that opens associations without end cannot fill the switch. */
const learnedLimit = 10_000;

const families = [
  { eth_type: ipv4, source: "ip_src", destination: "ip_dst", bits: 32, zone: ctZones[4] },
  { eth_type: ipv6, source: "ipv6_src", destination: "ipv6_dst", bits: 128, zone: ctZones[6] },
] as const satisfies readonly { source: FieldName; destination: FieldName; [other: string]: unknown }[];

/**
 * Open vSwitch's own connection tracker does not look at SCTP ports: after one association, packets to any other port would count as known. So
 * the tracker's word is not taken for SCTP: every packet is judged, and replies are known by flows that the switch learns from what was
 * admitted. An association does not outlive a policy that forbids it.
 */
export function compileSctp(pipeline: Pipeline): Flow[] {
  const made = { cookie: cookie("default") };
  return [
    ...families.flatMap((family) => {
      const packet = { eth_type: family.eth_type, ip_proto: sctp };
      return [
        flow(pipeline, "ConntrackState", {
          ...made,
          priority: "top",
          match: { ...packet, ct_state: ctState("+trk") },
          actions: [{ type: "resubmit", table: pipeline.table("SctpReplies") }],
          next: "SctpState",
        }),
        flow(pipeline, "ConntrackCommit", {
          ...made,
          priority: "high",
          match: packet,
          actions: [commitTo(family.zone), learnReply(pipeline, family)],
          next: "Output",
        }),
      ];
    }),
    flow(pipeline, "SctpState", { ...made, priority: "normal", match: whenRegisters({ known: 1n }), next: "L3Forwarding" }),
  ];
}

function learnReply(pipeline: Pipeline, { eth_type, source, destination, bits }: (typeof families)[number]): Action {
  const same = (field: FieldName, value: bigint, width: number): LearnSpec => ({
    kind: "match",
    destination: wholeField(field, width),
    source: value,
  });
  const swapped = (field: FieldName, from: FieldName, width: number): LearnSpec => ({
    kind: "match",
    destination: wholeField(field, width),
    source: wholeField(from, width),
  });
  return {
    type: "learn",
    table: pipeline.table("SctpReplies"),
    priority: priorities.normal,
    idleTimeout: idleSeconds,
    limit: learnedLimit,
    cookie: cookie("default"),
    specs: [
      same("eth_type", eth_type, 16),
      same("ip_proto", sctp, 8),
      swapped(source, destination, bits),
      swapped(destination, source, bits),
      swapped("sctp_src", "sctp_dst", 16),
      swapped("sctp_dst", "sctp_src", 16),
      { kind: "load", destination: subfieldOf("known"), source: 1n },
    ],
  };
}
