import type { Action, Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv4, ipv6, priorities, subfieldOf, whenRegisters } from "../flow-builder.ts";
import { packetInLanes, shareMask, shareMeter, toController } from "../packet-in/index.ts";
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
  /** Bound by meters, which must be there: each pod's own, then that of all. */
  readonly metered: boolean;
  /** OpenFlow ports of the pods whose answers come. One that is missing has its answers handed over by the first connection, without a meter of its own. */
  readonly receivers: Iterable<number>;
}

/** The flows of DNSHold: they hand the packet to the agent, and the rest of its way waits until the agent resumes it. */
export function compileDnsHold(pipeline: Pipeline, { timeoutSeconds, listener, metered, receivers }: DnsHoldOptions): Flow[] {
  const lapse = timeoutSeconds === undefined ? {} : { hardTimeout: timeoutSeconds };
  const handOver = (lane: number): Action => toController("dns", { pause: true, metered, lane });
  const shares = new Set([...receivers].map((ofport) => ofport & shareMask));
  /** The same conditions whatever is done: what was written for another listener, or for none, is replaced. */
  const flows = (dnsListener: bigint, act: (share?: number) => readonly Action[]): Flow[] =>
    [undefined, ...shares].map((share) => ({
      ...flow(pipeline, "DNSHold", {
        priority: share === undefined ? "normal" : "high",
        cookie: cookie("networkPolicy"),
        match: whenRegisters({
          dnsListener,
          ...(share === undefined ? {} : { outputPort: { value: BigInt(share), mask: BigInt(shareMask) } }),
        }),
        actions: act(share),
        next: "sent",
      }),
      ...lapse,
    }));
  const hold = (share?: number): readonly Action[] => {
    if (share === undefined) return [handOver(0)];
    return [...(metered ? [{ type: "meter", meter: shareMeter("dns", share) } as const] : []), handOver(share % packetInLanes.dns)];
  };
  if (listener === undefined) return flows(0n, hold);
  const look: readonly Action[] = [
    { type: "bundle_load", members: [listener], destination: subfieldOf("dnsListener") },
    { type: "resubmit", table: pipeline.table("DNSHold") },
  ];
  return [...flows(BigInt(listener), hold), ...flows(0n, () => look)];
}
