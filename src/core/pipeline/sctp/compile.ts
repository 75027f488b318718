import type { Family, IpAddress } from "#lib/ip/index.ts";
import type { Action, LearnSpec } from "#lib/openflow/action.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { commitTo } from "../conntrack/compile.ts";
import { ctState, ctZones } from "../conntrack/fields.ts";
import { cookie } from "../cookie.ts";
import { flow, ipDestination, ipSource, ipv4, ipv6, priorities, subfieldOf, whenRegisters, wholeField } from "../flow-builder.ts";
import { countAdmitted, countKnown } from "../statistics/index.ts";
import type { Pipeline } from "../tables.ts";

const sctp = 132n;
/**
 * Seconds after the last admitted packet for which replies to it are known. Longer than the pauses between SCTP heartbeats (30 s, RFC 9260 §16), as the kernel's
 * tracker keeps an association for 210 s.
 */
export const sctpSilenceSeconds = 210;
/** Learned flows at one time, so that a pod that opens associations without end cannot fill the switch. */
const learnedLimit = 10_000;

const families = {
  4: { eth_type: ipv4, source: "ip_src", destination: "ip_dst", bits: 32 },
  6: { eth_type: ipv6, source: "ipv6_src", destination: "ipv6_dst", bits: 128 },
} as const satisfies Record<Family, { source: FieldName; destination: FieldName; [other: string]: unknown }>;

/**
 * Open vSwitch's own connection tracker does not look at SCTP ports: after one association, packets to any other port would count as known. So
 * the tracker's word is not taken for SCTP: every packet is judged, and replies are known by flows that the switch learns from what was
 * admitted. The client's packets do not outlive a policy that forbids them, the server's by {@link sctpSilenceSeconds}. Nothing of this where the tracker does look at them: SCTP is tracked as TCP and UDP are.
 */
export function compileSctp(pipeline: Pipeline): Flow[] {
  if (pipeline.tracksSctp) return [];
  const made = { cookie: cookie("default") };
  return [
    ...([4, 6] as const).flatMap((family) => {
      const packet = { eth_type: families[family].eth_type, ip_proto: sctp };
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
          actions: [...countAdmitted(pipeline), commitTo(ctZones[family]), learnReply(pipeline, { family })],
          next: "Output",
        }),
      ];
    }),
    flow(pipeline, "SctpState", {
      ...made,
      priority: "normal",
      match: whenRegisters({ known: 1n }),
      actions: countKnown(pipeline),
      next: "L3Forwarding",
    }),
  ];
}

/** Knows the replies to an admitted packet, and with `from` gives them the source that the client believes in. */
export function learnReply(
  pipeline: Pipeline,
  { family, from }: { readonly family: Family; readonly from?: { readonly address: IpAddress; readonly port: number } },
): Action {
  const { eth_type, source, destination, bits } = families[family];
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
    // Not an idle timeout, which replies alone could put off for ever. What teaches the flow again begins the time anew.
    hardTimeout: sctpSilenceSeconds,
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
      ...(from === undefined ? [] : translated(family, from)),
    ],
  };
}

/** What a switch is to delete, so that it knows no replies from or to an address any more: its next owner inherits none. */
export function learnedReplies(pipeline: Pipeline, address: IpAddress): Flow[] {
  return [ipSource(address), ipDestination(address)].map(
    (match): Flow => ({ table: pipeline.table("SctpReplies"), priority: 0, cookie: 0n, match, actions: [] }),
  );
}

const translated = (family: Family, { address, port }: { readonly address: IpAddress; readonly port: number }): LearnSpec[] => [
  { kind: "load", destination: wholeField(families[family].source, families[family].bits), source: address.value },
  { kind: "load", destination: wholeField("sctp_src", 16), source: BigInt(port) },
];
