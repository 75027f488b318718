import type { IpAddress, MacAddress } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, ipv6, setField, wholeField } from "../flow-builder.ts";
import type { Gateway } from "../rows.ts";
import type { Pipeline } from "../tables.ts";

const icmpv6 = 58n;
const solicitation = 135n;
const advertisement = 136n;
const sourceLinkLayerAddress = 1n;
const targetLinkLayerAddress = 2n;
/** Solicited and Override, the two flags that RFC 4861 §4.4 wants in the answer of the address's owner. */
const solicitedOverride = 0x6000_0000n;

/**
 * The switch answers neighbour solicitations for `address` with `mac`. The answer is written into the question, its option into the asker's:
 * where there is none (duplicate address detection, RFC 4862 §5.4.2), Open vSwitch would write behind the end of the message.
 */
export function compileNdAnswer(pipeline: Pipeline, answer: { address: IpAddress; mac: MacAddress; owner: number }): Flow {
  const { address, mac, owner } = answer;
  return flow(pipeline, "NDResponder", {
    priority: "normal",
    cookie: cookie("podConnectivity", owner),
    match: {
      eth_type: ipv6,
      ip_proto: icmpv6,
      icmpv6_type: solicitation,
      nd_target: address.value,
      nd_options_type: sourceLinkLayerAddress,
    },
    actions: [
      { type: "move", source: wholeField("eth_src", 48), destination: wholeField("eth_dst", 48) },
      { type: "move", source: wholeField("ipv6_src", 128), destination: wholeField("ipv6_dst", 128) },
      setField("eth_src", mac.value),
      setField("ipv6_src", address.value),
      setField("icmpv6_type", advertisement),
    ],
    next: "NDReply",
  });
}

/**
 * Where the switch cannot write answers: solicitations for `address` go to its owner and nobody else, however they were addressed; and what others answer
 * to `mac` comes back by the same port. The spoof guard has seen to it that who answers has the address.
 */
export function compileNdForwarding(pipeline: Pipeline, { address, owner }: { address: IpAddress; owner: number }): Flow {
  return flow(pipeline, "NDResponder", {
    priority: "normal",
    cookie: cookie("podConnectivity", owner),
    match: { eth_type: ipv6, ip_proto: icmpv6, icmpv6_type: solicitation, nd_target: address.value },
    actions: [{ type: "output", port: owner }],
    next: "sent",
  });
}

/** The other half of {@link compileNdForwarding}: advertisements for a pod that asked. Those for the gateway go where announcements go. */
export function compileNdReturn(pipeline: Pipeline, { mac, ofport }: { mac: MacAddress; ofport: number }): Flow {
  return flow(pipeline, "NDResponder", {
    priority: "top",
    cookie: cookie("podConnectivity", ofport),
    match: { eth_type: ipv6, ip_proto: icmpv6, icmpv6_type: advertisement, eth_dst: mac.value },
    actions: [{ type: "output", port: ofport }],
    next: "sent",
  });
}

/** As for ARP: a pod that asks for an address that is no pod's here hears of the gateway. The host asks for pods alone. */
export function compileNdAnswerToAll(pipeline: Pipeline, { ofport, mac }: Gateway): Flow[] {
  const made = { cookie: cookie("podConnectivity", ofport) };
  const asked = { eth_type: ipv6, ip_proto: icmpv6, icmpv6_type: solicitation };
  return [
    flow(pipeline, "NDResponder", { ...made, priority: "low", match: { ...asked, in_port: BigInt(ofport) }, next: "drop" }),
    flow(pipeline, "NDResponder", {
      ...made,
      priority: "lowest",
      match: { ...asked, nd_options_type: sourceLinkLayerAddress },
      actions: [
        { type: "move", source: wholeField("eth_src", 48), destination: wholeField("eth_dst", 48) },
        { type: "move", source: wholeField("ipv6_src", 128), destination: wholeField("ipv6_dst", 128) },
        { type: "move", source: wholeField("nd_target", 128), destination: wholeField("ipv6_src", 128) },
        setField("eth_src", mac.value),
        setField("icmpv6_type", advertisement),
      ],
      next: "NDReply",
    }),
  ];
}

/**
 * The second half of every answer. The option that held the sender's address becomes the target's: Open vSwitch lets a flow write it only
 * where the match says that the message is an advertisement already.
 */
export function compileNdReply(pipeline: Pipeline): Flow {
  return flow(pipeline, "NDReply", {
    priority: "normal",
    cookie: cookie("default"),
    match: { eth_type: ipv6, ip_proto: icmpv6, icmpv6_type: advertisement },
    actions: [
      setField("nd_reserved", solicitedOverride),
      setField("nd_options_type", targetLinkLayerAddress),
      { type: "move", source: wholeField("eth_src", 48), destination: wholeField("nd_tll", 48) },
      { type: "output", port: "IN_PORT" },
    ],
    next: "sent",
  });
}
