import { type Endpoint, endpointKey, type Frontend, frontendKey } from "#core/services/index.ts";
import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";
import { connectionMarks, ctState, ctZones } from "../conntrack/fields.ts";
import { admission, commitTo } from "../conntrack/compile.ts";
import { cookie } from "../cookie.ts";
import { flow, ipDestination, setField, setRegister, subfieldOf, whenRegisters } from "../flow-builder.ts";
import { learnReply } from "../sctp/compile.ts";
import { countAdmitted } from "../statistics/index.ts";
import type { Pipeline } from "../tables.ts";
import { learnEndpoint } from "./affinity.ts";
import { carries, layer3, layer4 } from "./protocols.ts";
import { rejectToClient } from "./reject.ts";

/** Numbers for what a frontend needs in the switch. */
export interface FrontendNumbers {
  readonly service: number;
  readonly group: number;
  /** Of the frontend's endpoints, in their order. */
  readonly endpoints: readonly number[];
}

/** What serves a frontend. */
export interface CompiledFrontend {
  readonly flows: readonly Flow[];
  readonly groups: readonly Group[];
}

/**
 * One group for the frontend, and two flows for each of its endpoints: one writes the endpoint into the packet before policy sees it, one
 * commits the translation when policy has admitted the connection. Nothing is remembered of connections that are not admitted, as the
 * userspace tracker would take the third packet of a committed connection for an established one.
 */
export function compileFrontend(pipeline: Pipeline, frontend: Frontend, numbers: FrontendNumbers): CompiledFrontend {
  const number = numbers.group;
  const made = { cookie: cookie("service", number), priority: "normal" } as const;
  const match = atFrontend(frontend);
  if (frontend.endpoints.length === 0) {
    const refusal = frontend.whenEmpty === "drop" ? ({ next: "drop" } as const) : { actions: [rejectToClient], next: "sent" as const };
    return { flows: [flow(pipeline, "ServiceLB", { ...made, match, ...refusal })], groups: [] };
  }
  const endpoints = frontend.endpoints.map((endpoint, index) => ({ endpoint, id: numbers.endpoints[index] as number }));
  const group: Group = {
    group: number,
    type: "select",
    // The method that is used without a name leaves out UDP's ports: all of a client's connections would go to one endpoint.
    selectionMethod: "dp_hash",
    buckets: endpoints.map(({ id }, index) => ({
      id: index,
      weight: 1,
      actions: [setRegister("endpoint", BigInt(id)), { type: "resubmit", table: pipeline.table("EndpointDNAT") }],
    })),
  };
  return {
    groups: [group],
    flows: [
      flow(pipeline, "ServiceLB", { ...made, match, actions: [{ type: "group", group: number }], next: "sent" }),
      ...endpoints.flatMap((chosen) => endpointFlows(pipeline, frontend, { ...chosen, service: numbers.service })),
    ],
  };
}

/** Whether clients stay with their endpoint by a learned flow: for affinity, and where the tracker does not know connections (SCTP). */
const isSticky = (pipeline: Pipeline, frontend: Frontend): boolean =>
  frontend.affinitySeconds !== undefined || isUntracked(pipeline, frontend);

const isUntracked = ({ tracksSctp }: Pipeline, { protocol }: Frontend): boolean => protocol === "SCTP" && !tracksSctp;

interface ChosenEndpoint {
  readonly service: number;
  readonly endpoint: Endpoint;
  readonly id: number;
}

/** By all that they follow from: when one endpoint comes or goes, the flows of a Service's others are the same objects as before, and need no comparison. */
const flowsOf = new WeakMap<Pipeline, Map<string, readonly Flow[]>>();
/** Of endpoints. Some MB; whoever has more makes those that were not asked for lately anew. */
const mostRemembered = 5_000;

function endpointFlows(pipeline: Pipeline, frontend: Frontend, chosen: ChosenEndpoint): readonly Flow[] {
  const { service, endpoint, id } = chosen;
  const key = `${frontendKey(frontend)} ${frontend.affinitySeconds ?? ""} ${service} ${id} ${endpointKey(endpoint)}`;
  const remembered = flowsOf.get(pipeline) ?? new Map<string, readonly Flow[]>();
  flowsOf.set(pipeline, remembered);
  const flows = remembered.get(key) ?? compileEndpoint(pipeline, frontend, chosen).map((flow) => Object.freeze(flow));
  // What was asked for last goes last.
  remembered.delete(key);
  remembered.set(key, flows);
  const [oldest] = remembered.keys();
  if (remembered.size > mostRemembered && oldest !== undefined) remembered.delete(oldest);
  return flows;
}

function compileEndpoint(pipeline: Pipeline, frontend: Frontend, { service, endpoint, id }: ChosenEndpoint): Flow[] {
  const made = { cookie: cookie("service", id), priority: "normal" } as const;
  const chosen = whenRegisters({ endpoint: BigInt(id) });
  const packet = { ...carries(frontend.address, frontend.protocol), ...chosen };
  const sticky = isSticky(pipeline, frontend);
  return [
    // A client that stays with an endpoint, while there is such an endpoint.
    ...(sticky
      ? [flow(pipeline, "ServiceLB", { ...made, priority: "high", match: { ...atFrontend(frontend), ...chosen }, next: "EndpointDNAT" })]
      : []),
    flow(pipeline, "EndpointDNAT", {
      ...made,
      match: packet,
      actions: [
        ...(sticky ? [learnEndpoint(pipeline, frontend, id)] : []),
        setRegister("service", BigInt(service)),
        ...writeDestination(frontend, endpoint),
      ],
      next: "EgressSecurityClassifier",
    }),
    isUntracked(pipeline, frontend) ? admitSctp(pipeline, frontend, packet, id) : admit(pipeline, frontend, { endpoint, id, packet }),
  ];
}

/** The tracker is given the packet as the client sent it, and translates it again. */
function admit(
  pipeline: Pipeline,
  frontend: Frontend,
  { endpoint, id, packet }: { readonly endpoint: Endpoint; readonly id: number; readonly packet: Flow["match"] },
): Flow {
  return flow(pipeline, "ConntrackCommit", {
    priority: "high",
    cookie: cookie("service", id),
    match: { ...packet, ct_state: ctState("+new+trk") },
    actions: [
      ...countAdmitted(pipeline),
      ...writeDestination(frontend, frontend),
      // Bits that differ between packets would each cost the switch a continuation of its own.
      setRegister("setBitsLow", 0n),
      setRegister("setBitsHigh", 0n),
      {
        type: "ct",
        commit: true,
        zone: ctZones[frontend.address.family],
        table: pipeline.table("Output"),
        nat: { kind: "dst", addresses: { min: endpoint.address }, ports: { min: endpoint.port } },
        exec: [
          ...admission,
          { type: "load", value: 1n, destination: connectionMarks.service },
          { type: "move", source: subfieldOf("hairpin"), destination: connectionMarks.hairpin },
        ],
      },
    ],
    next: "sent",
  });
}

/** Without a tracker that knows SCTP ports, the flow that knows the replies translates them too. */
function admitSctp(pipeline: Pipeline, { address, port }: Frontend, packet: Flow["match"], id: number): Flow {
  const { family } = address;
  return flow(pipeline, "ConntrackCommit", {
    priority: "top",
    cookie: cookie("service", id),
    match: packet,
    actions: [...countAdmitted(pipeline), commitTo(ctZones[family]), learnReply(pipeline, { family, from: { address, port } })],
    next: "Output",
  });
}

const atFrontend = ({ address, protocol, port }: Frontend): Flow["match"] => ({
  ...carries(address, protocol),
  ...ipDestination(address),
  [layer4[protocol].destination]: BigInt(port),
});

const writeDestination = ({ protocol }: Frontend, { address, port }: Endpoint): Action[] => [
  setField(layer3[address.family].destination, address.value),
  setField(layer4[protocol].destination, BigInt(port)),
];
