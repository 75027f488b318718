import { parseAddress } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, ipDestination, priorities, setField, setRegister, whenRegisters, wholeField } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import { layer3 } from "./protocols.ts";

/** Who a pod sees when it reaches itself through a Service: its own address as a source would be answered inside the pod. As antrea (Go). */
export const hairpinAddresses = { 4: parseAddress("169.254.0.253"), 6: parseAddress("fc01::aabb:ccdd:eeff") } as const;

const families = [hairpinAddresses[4], hairpinAddresses[6]] as const;

/**
 * A pod that reaches itself through a Service sees {@link hairpinAddresses} as its client. Both ends are one pod, so the translation needs no
 * state: on the way out the virtual address takes the place of the pod's, on the way back the pod's own source takes its place.
 */
export function compileHairpinSkeleton(pipeline: Pipeline): Flow[] {
  const made = { cookie: cookie("service") };
  return [
    ...families.map((address) => {
      const { source, destination, bits } = layer3[address.family];
      return flow(pipeline, "UnSNAT", {
        ...made,
        priority: "normal",
        match: { ...whenRegisters({ source: portKind.pod }), ...ipDestination(address) },
        actions: [
          { type: "move", source: wholeField(source, bits), destination: wholeField(destination, bits) },
          setRegister("hairpinReply", 1n),
        ],
        next: "ConntrackZone",
      });
    }),
    flow(pipeline, "IngressSecurityClassifier", {
      ...made,
      priority: "high",
      match: whenRegisters({ hairpin: 1n }),
      next: "ConntrackCommit",
    }),
    flow(pipeline, "Output", {
      ...made,
      priority: "top",
      match: whenRegisters({ hairpinReply: 1n }),
      actions: [{ type: "output", port: "IN_PORT" }],
      next: "sent",
    }),
    ...families.map(({ family, value }) =>
      flow(pipeline, "Output", {
        ...made,
        priority: "high",
        match: { eth_type: layer3[family].etherType, ...whenRegisters({ hairpin: 1n }) },
        actions: [setField(layer3[family].source, value), { type: "output", port: "IN_PORT" }],
        next: "sent",
      }),
    ),
  ];
}

/** What leaves for the pod that it came from can only have come through a Service: inside the pod it would not have left. */
export function compileHairpin(pipeline: Pipeline, { ofport, mac, addresses }: LocalPort): Flow[] {
  return addresses.map((address) =>
    flow(pipeline, "L3Forwarding", {
      priority: priorities.high + 1,
      cookie: cookie("service", ofport),
      match: { in_port: BigInt(ofport), ...ipDestination(address) },
      actions: [
        setRegister("destination", portKind.pod),
        setRegister("outputPort", BigInt(ofport)),
        setRegister("hairpin", 1n),
        setField("eth_dst", mac.value),
      ],
      next: "L3DecTTL",
    }),
  );
}
