import { addressBits, type Prefix } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { compileAnnouncements, compileArpAnswer, compileArpAnswerToAll } from "./arp-responder/compile.ts";
import {
  compileGatewayClassification,
  compileMulticastEnd,
  compilePodClassification,
  compileRoot,
  compileTunnelClassification,
} from "./classification/compile.ts";
import { compileCommit, compileConntrack } from "./conntrack/compile.ts";
import { cookie } from "./cookie.ts";
import { flow } from "./flow-builder.ts";
import { compileGatewayForwarding, compileOutput, compilePodForwarding, compileRemoteForwarding } from "./forwarding/compile.ts";
import { tunnelMac } from "./host-mark.ts";
import { compileNdAnswer, compileNdAnswerToAll, compileNdForwarding, compileNdReply, compileNdReturn } from "./nd-responder/compile.ts";
import { compilePolicyGates } from "./policy/gates.ts";
import { compileHairpin } from "./service/hairpin.ts";
import { compileServiceSkeleton } from "./service/skeleton.ts";
import { compileSctp } from "./sctp/compile.ts";
import { type Gateway, type LocalPort, type RemoteNode, type Tunnel, tunnelledBlocks } from "./rows.ts";
import { compileGatewayGuard, compileSpoofGuard } from "./spoof-guard/compile.ts";
import type { Pipeline } from "./tables.ts";

/** The flows that no row changes: the skeleton of the pipeline, closed towards pods until their rows come. */
export function compileSkeleton(pipeline: Pipeline): readonly Flow[] {
  const known = skeletons.get(pipeline);
  if (known !== undefined) return known;
  const flows = Object.freeze(makeSkeleton(pipeline).map((flow) => Object.freeze(flow)));
  skeletons.set(pipeline, flows);
  return flows;
}

const skeletons = new WeakMap<Pipeline, readonly Flow[]>();

function makeSkeleton(pipeline: Pipeline): Flow[] {
  const misses = pipeline.tables.flatMap(({ name, miss }, index) => {
    if (miss === "drop") return [];
    const next = miss === "next" ? pipeline.tables[index + 1]?.name : miss;
    if (next === undefined) return [];
    return [flow(pipeline, name, { priority: "miss", cookie: cookie("default"), match: {}, next })];
  });
  return [
    ...misses,
    ...compileRoot(pipeline),
    ...compileMulticastEnd(pipeline),
    ...(pipeline.answersNeighbourDiscovery ? [compileNdReply(pipeline)] : []),
    ...compileConntrack(pipeline),
    ...compileSctp(pipeline),
    ...compilePolicyGates(pipeline),
    ...(pipeline.has("service") ? compileServiceSkeleton(pipeline) : []),
    ...compileCommit(pipeline),
    compileOutput(pipeline),
  ];
}

export function compileGateway(pipeline: Pipeline, gateway: Gateway): Flow[] {
  return [
    ...compileGatewayClassification(pipeline, gateway),
    ...compileGatewayGuard(pipeline, gateway),
    ...compileAnnouncements(pipeline, gateway),
    ...gateway.addresses.map((address) => answerFor(pipeline, { address, mac: gateway.mac, owner: gateway.ofport })),
    ...(gateway.answersAll ? compileArpAnswerToAll(pipeline, gateway) : []),
    ...(gateway.answersAll && pipeline.answersNeighbourDiscovery ? compileNdAnswerToAll(pipeline, gateway) : []),
    ...compileGatewayForwarding(pipeline, gateway),
  ];
}

export function compileTunnel(pipeline: Pipeline, tunnel: Tunnel): Flow[] {
  return compileTunnelClassification(pipeline, tunnel);
}

/** Connectivity of one pod. Its policies are a matter of their own: until they are known, nothing new reaches or leaves it. */
export function compileLocalPort(pipeline: Pipeline, port: LocalPort): Flow[] {
  return [
    ...compilePodClassification(pipeline, port),
    ...compileSpoofGuard(pipeline, port),
    ...port.addresses.map((address) => answerFor(pipeline, { address, mac: port.mac, owner: port.ofport })),
    ...(pipeline.answersNeighbourDiscovery ? [] : [compileNdReturn(pipeline, port)]),
    ...compilePodForwarding(pipeline, port),
    ...(pipeline.has("service") ? compileHairpin(pipeline, port) : []),
  ];
}

/**
 * The way to another node's pods through the tunnel. The host reaches them through the other node's gateway address, for which the switch answers.
 * What the node's own routing reaches needs no flow: it leaves by the gateway, as everything does that the switch does not know.
 */
export function compileRemoteNode(pipeline: Pipeline, node: RemoteNode, tunnel: Tunnel): readonly Flow[] {
  const known = remoteFlows.get(node);
  if (known?.pipeline === pipeline && known.ofport === tunnel.ofport) return known.flows;
  const flows = Object.freeze(makeRemoteFlows(pipeline, node, tunnel).map((flow) => Object.freeze(flow)));
  remoteFlows.set(node, { pipeline, ofport: tunnel.ofport, flows });
  return flows;
}

/** Rows never change. Agents of one process that were told the same Node have the same row, and need its flows once. */
const remoteFlows = new WeakMap<RemoteNode, { readonly pipeline: Pipeline; readonly ofport: number; readonly flows: readonly Flow[] }>();

function makeRemoteFlows(pipeline: Pipeline, node: RemoteNode, tunnel: Tunnel): Flow[] {
  return [
    ...tunnelledBlocks(node)
      .filter(hasGateway)
      // Nobody here has that address: where the switch does not answer, the host is told beforehand.
      .filter(({ family }) => family === 4 || pipeline.answersNeighbourDiscovery)
      .map((cidr) => answerFor(pipeline, { address: cidr.address.plus(1n), mac: tunnelMac, owner: tunnel.ofport })),
    ...compileRemoteForwarding(pipeline, node, tunnel),
  ];
}

function answerFor(pipeline: Pipeline, answer: Parameters<typeof compileArpAnswer>[1]): Flow {
  if (answer.address.family === 4) return compileArpAnswer(pipeline, answer);
  return pipeline.answersNeighbourDiscovery ? compileNdAnswer(pipeline, answer) : compileNdForwarding(pipeline, answer);
}

const hasGateway = ({ length, family }: Prefix): boolean => length < addressBits(family) - 1;
