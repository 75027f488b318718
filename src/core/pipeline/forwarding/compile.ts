import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { connectionSource, ctState } from "../conntrack/fields.ts";
import { cookie } from "../cookie.ts";
import { flow, ipDestination, ipv4, ipv6, prefixMatch, setField, setRegister, subfieldOf, whenRegisters } from "../flow-builder.ts";
import { tunnelMac } from "../host-mark.ts";
import { portKind } from "../registers.ts";
import { type Gateway, type LocalPort, type RemoteNode, type Tunnel, tunnelledBlocks } from "../rows.ts";
import type { Pipeline } from "../tables.ts";

/** To a pod of this node, whoever sends: the interface follows from the address alone, so a stale neighbour entry cannot mislead. */
export function compilePodForwarding(pipeline: Pipeline, { ofport, mac, addresses }: LocalPort): Flow[] {
  return addresses.map((address) =>
    flow(pipeline, "L3Forwarding", {
      priority: "high",
      cookie: cookie("podConnectivity", ofport),
      match: ipDestination(address),
      actions: [...leaveBy("pod", ofport), setField("eth_dst", mac.value)],
      next: "L3DecTTL",
    }),
  );
}

/** To host and outside: the gateway's own addresses, replies to what came from there, and whatever pods send to no known place. */
export function compileGatewayForwarding(pipeline: Pipeline, { ofport, mac, addresses }: Gateway): Flow[] {
  const made = { cookie: cookie("podConnectivity", ofport) };
  const toGateway = [...leaveBy("gateway", ofport), setField("eth_dst", mac.value)];
  const next = "IngressSecurityClassifier";
  return [
    // The host may have translated what it sent (kube-proxy): its replies must pass it again, even when they are for a pod of this node. Known:
    // the tracker takes SCTP on any other port for a reply, too.
    flow(pipeline, "L3Forwarding", {
      ...made,
      priority: "top",
      match: {
        ct_state: ctState("+rpl+trk"),
        ct_mark: { value: portKind.gateway, mask: (1n << BigInt(connectionSource.bits)) - 1n },
        ...whenRegisters({ known: 1n }),
      },
      actions: toGateway,
      next,
    }),
    ...addresses.map((address) =>
      flow(pipeline, "L3Forwarding", { ...made, priority: "high", match: ipDestination(address), actions: toGateway, next }),
    ),
    flow(pipeline, "L3Forwarding", {
      ...made,
      priority: "low",
      match: whenRegisters({ source: portKind.pod }),
      actions: toGateway,
      next,
    }),
    ...[ipv4, ipv6].map((eth_type) =>
      flow(pipeline, "L3DecTTL", {
        ...made,
        priority: "normal",
        match: { eth_type, ...whenRegisters({ routed: 1n }) },
        actions: [setField("eth_src", mac.value), { type: "dec_ttl" }],
        next: "IngressSecurityClassifier",
      }),
    ),
  ];
}

/** To the pods of another node. Without a tunnel endpoint there is no way yet, and the pods' traffic must not leave by the gateway instead. */
export function compileRemoteForwarding(pipeline: Pipeline, node: RemoteNode, tunnel: Tunnel): Flow[] {
  const endpoint = node.transportAddresses[0];
  return tunnelledBlocks(node).map((cidr) => {
    const made = { priority: "normal", cookie: cookie("podConnectivity", tunnel.ofport), match: prefixMatch("destination", cidr) } as const;
    if (endpoint === undefined) return flow(pipeline, "L3Forwarding", { ...made, next: "drop" });
    return flow(pipeline, "L3Forwarding", {
      ...made,
      actions: [
        ...leaveBy("tunnel", tunnel.ofport),
        setField("eth_dst", tunnelMac.value),
        setField(endpoint.family === 4 ? "tun_dst" : "tun_ipv6_dst", endpoint.value),
      ],
      next: "L3DecTTL",
    });
  });
}

/** Out by the port that forwarding chose. */
export function compileOutput(pipeline: Pipeline): Flow {
  return flow(pipeline, "Output", {
    priority: "normal",
    cookie: cookie("default"),
    match: {},
    actions: [{ type: "output_reg", source: subfieldOf("outputPort") }],
    next: "sent",
  });
}

function leaveBy(kind: keyof typeof portKind, ofport: number): Action[] {
  return [setRegister("destination", portKind[kind]), setRegister("outputPort", BigInt(ofport))];
}
