import type { IpAddress, MacAddress } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { arp, flow, setField, subfieldOf, whenRegisters, wholeField } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { Gateway } from "../rows.ts";
import type { Pipeline } from "../tables.ts";

const request = 1n;
const reply = 2n;

/** The switch answers ARP for `address` with `mac`, whoever of this node asks: no broadcast reaches a pod. */
export function compileArpAnswer(pipeline: Pipeline, answer: { address: IpAddress; mac: MacAddress; owner: number }): Flow {
  const { address, mac, owner } = answer;
  return flow(pipeline, "ARPResponder", {
    priority: "normal",
    cookie: cookie("podConnectivity", owner),
    match: { eth_type: arp, arp_op: request, arp_tpa: address.value },
    actions: [
      { type: "move", source: wholeField("arp_sha", 48), destination: wholeField("eth_dst", 48) },
      { type: "move", source: wholeField("arp_sha", 48), destination: wholeField("arp_tha", 48) },
      { type: "move", source: wholeField("arp_spa", 32), destination: wholeField("arp_tpa", 32) },
      setField("eth_src", mac.value),
      setField("arp_op", reply),
      setField("arp_sha", mac.value),
      setField("arp_spa", address.value),
      { type: "output", port: "IN_PORT" },
    ],
    next: "sent",
  });
}

/** Whatever address a pod asks for that is no pod's here, the gateway has it. The host's own requests get no such answer: it asks for pods alone. */
export function compileArpAnswerToAll(pipeline: Pipeline, { ofport, mac }: Gateway): Flow[] {
  const made = { cookie: cookie("podConnectivity", ofport) };
  const asked = { eth_type: arp, arp_op: request };
  return [
    flow(pipeline, "ARPResponder", { ...made, priority: "low", match: { ...asked, in_port: BigInt(ofport) }, next: "drop" }),
    flow(pipeline, "ARPResponder", {
      ...made,
      priority: "lowest",
      match: asked,
      actions: [
        { type: "move", source: wholeField("arp_sha", 48), destination: wholeField("eth_dst", 48) },
        { type: "move", source: wholeField("arp_sha", 48), destination: wholeField("arp_tha", 48) },
        // The two addresses change places by way of a register that ARP has no other use for.
        { type: "move", source: wholeField("arp_tpa", 32), destination: subfieldOf("outputPort") },
        { type: "move", source: wholeField("arp_spa", 32), destination: wholeField("arp_tpa", 32) },
        { type: "move", source: subfieldOf("outputPort"), destination: wholeField("arp_spa", 32) },
        setField("eth_src", mac.value),
        setField("arp_op", reply),
        setField("arp_sha", mac.value),
        { type: "output", port: "IN_PORT" },
      ],
      next: "sent",
    }),
  ];
}

/** Announcements of pods, marked by the spoof guard, reach the host. */
export function compileAnnouncements(pipeline: Pipeline, { ofport }: Gateway): Flow[] {
  return (["ARPResponder", "NDResponder"] as const).map((table) =>
    flow(pipeline, table, {
      priority: "high",
      cookie: cookie("podConnectivity", ofport),
      match: whenRegisters({ destination: portKind.gateway }),
      actions: [{ type: "output", port: ofport }],
      next: "sent",
    }),
  );
}
