import type { Flow } from "#lib/openflow/flow.ts";
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
  /** Gone this long after it was written last: answers pass when the agent is dead. Absent: it stays, and they wait for the next agent in vain. */
  readonly timeoutSeconds?: number;
  readonly metered: boolean;
}

/** The one flow of DNSHold: hands the packet to the agent, and the rest of its way waits until the agent resumes it. */
export function compileDnsHold(pipeline: Pipeline, { timeoutSeconds, metered }: DnsHoldOptions): Flow {
  const hold = flow(pipeline, "DNSHold", {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: {},
    actions: [toController("dns", { pause: true, metered })],
    next: "sent",
  });
  return timeoutSeconds === undefined ? hold : { ...hold, hardTimeout: timeoutSeconds };
}
