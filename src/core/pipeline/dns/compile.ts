import type { Action, Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, priorities, subfieldOf, whenRegisters } from "../flow-builder.ts";
import { toController } from "../packet-in/index.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";

/** Where answers of DNS come from. */
export const dnsPort = 53n;

const tcp = 6n;
const udp = 17n;

/**
 * Answers of DNS to a pod under a rule with names stop at DNSHold, if there is anything in it, before they leave: behind policy and translation, as the pod
 * will see them. When that table is empty, as when no agent keeps it filled, they leave like any other packet.
 */
export function compileDnsReplies(pipeline: Pipeline, { ofport }: Pick<LocalPort, "ofport">): Flow[] {
  return [ipv4, ipv6].flatMap((eth_type) =>
    ([udp, tcp] as const).map((ip_proto) =>
      flow(pipeline, "Output", {
        priority: priorities.top + 1,
        cookie: cookie("podConnectivity", ofport),
        match: {
          eth_type,
          ip_proto,
          [ip_proto === udp ? "udp_src" : "tcp_src"]: dnsPort,
          ...whenRegisters({ known: 1n, hairpin: 0n, hairpinReply: 0n, outputPort: BigInt(ofport) }),
        },
        actions: [
          { type: "resubmit", table: pipeline.table("DNSHold") },
          { type: "output_reg", source: subfieldOf("outputPort") },
        ],
        next: "sent",
      }),
    ),
  );
}

export interface DnsHoldOptions {
  /** Gone this long after they were written last: answers pass when the agent does nothing. Absent: they stay, and answers wait for the next agent in vain. */
  readonly timeoutSeconds?: number;
  /** OpenFlow port that is up as long as the agent lives: while it is down, or not there, answers pass. Absent: they are held whatever it is. */
  readonly listener?: number | undefined;
  readonly metered: boolean;
}

/** The flows of DNSHold, at most two: they hand the packet to the agent, and the rest of its way waits until the agent resumes it. */
export function compileDnsHold(pipeline: Pipeline, { timeoutSeconds, listener, metered }: DnsHoldOptions): Flow[] {
  const lapse = timeoutSeconds === undefined ? {} : { hardTimeout: timeoutSeconds };
  const hold = (known: bigint, actions: readonly Action[]): Flow => ({
    ...flow(pipeline, "DNSHold", {
      priority: "normal",
      cookie: cookie("networkPolicy"),
      match: whenRegisters({ dnsListener: known }),
      actions,
      next: "sent",
    }),
    ...lapse,
  });
  const handOver = toController("dns", { pause: true, metered });
  if (listener === undefined) return [hold(0n, [handOver])];
  return [
    hold(BigInt(listener), [handOver]),
    hold(0n, [
      { type: "bundle_load", members: [listener], destination: subfieldOf("dnsListener") },
      { type: "resubmit", table: pipeline.table("DNSHold") },
    ]),
  ];
}
