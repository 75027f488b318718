import type { NetworkPolicy } from "#lib/kube/index.ts";
import type { PolicyObjectKinds } from "../policy-objects.ts";

/**
 * What a probe finds. `ok`: a new connection is answered. `drop`: silence. `refused`: the way is open and nobody listens, or a rule rejects, which only
 * shows when the refusal (a reset, or an ICMP error about the packet) finds its way back. `some`: of {@link triesOfSome} connections some are answered and all
 * others meet silence, as with a Service whose endpoints differ.
 */
export type Verdict = "ok" | "drop" | "refused" | "some";

/** One of two endpoints is never chosen once in half a million times. */
export const triesOfSome = 20;

/**
 * An end in a row: `x/a` a pod, `x` every pod of a namespace, `*` every pod of the fixture, `node-1` that node's own stack, `host(x/a)` the
 * own stack of the node that hosts the pod, `other(x/a)` that of the other node, `svc(x/web)` a Service by its ClusterIP (as a destination).
 */
export type EndPattern = string;

/**
 * What is probed: `80/tcp`, `81/udp`, `80/sctp`, `icmp` (echo), or `ip-47` for another protocol of IP (crafted packets only, as pods have no
 * socket for it). `80/tcp4` over IPv4 alone, `80/tcp6` over IPv6; `80/tcp@5000` from source port 5000.
 */
export type Service = string;

/** Who reaches whom by what. The last row that names a way decides it; the services named anywhere are probed between all pairs. */
export type Row = readonly [from: EndPattern, to: EndPattern, service: Service, verdict: Verdict];

/** Kinds of objects beside Kubernetes' own that decide about packets. */
export const otherKinds = [
  "Tier",
  "ClusterGroup",
  "Group",
  "AntreaClusterNetworkPolicy",
  "AntreaNetworkPolicy",
  "K8sClusterNetworkPolicy",
  "AdminNetworkPolicy",
  "BaselineAdminNetworkPolicy",
] as const;
export type OtherKind = (typeof otherKinds)[number];
export type OtherObject = { [Kind in OtherKind]: { readonly kind: Kind; readonly object: PolicyObjectKinds[Kind] } }[OtherKind];

/** A change of the cluster. Names of namespaces are the fixture's; a runner may give them others, see `place.ts`. */
export type Change =
  | { readonly type: "apply"; readonly policy: NetworkPolicy }
  | { readonly type: "set"; readonly other: OtherObject }
  /** Deletes what has been set: `name`, or `namespace/name`. */
  | { readonly type: "unset"; readonly kind: OtherKind; readonly key: string }
  /** Deletes the policy `namespace/name`. */
  | { readonly type: "remove"; readonly policy: string }
  /** Merges labels into those of a namespace; null takes one away. `replace`: the given ones are all that the update sends. */
  | {
      readonly type: "label-namespace";
      readonly namespace: string;
      readonly labels: Readonly<Record<string, string | null>>;
      readonly replace?: boolean;
    }
  | { readonly type: "label-pod"; readonly pod: string; readonly labels: Readonly<Record<string, string | null>> }
  | { readonly type: "create-pod"; readonly pod: CasePod }
  /** Resolves when the pod is gone. */
  | { readonly type: "delete-pod"; readonly pod: string }
  /** Asks for the deletion of a pod that takes its time: it has a `deletionTimestamp` and goes on running. */
  | { readonly type: "terminate-pod"; readonly pod: string }
  | { readonly type: "create-service"; readonly service: CaseService }
  | { readonly type: "delete-service"; readonly service: string }
  /** Nodes and pods have to resolve every address anew. */
  | { readonly type: "forget-neighbours" };

export interface DeclaredPort {
  readonly name: string;
  readonly port: number;
  /** Default TCP, and then not written. */
  readonly protocol?: "TCP" | "UDP" | "SCTP";
}

/** A pod of a case. */
export interface CasePod {
  /** `x/a`. */
  readonly name: string;
  readonly node: "node-1" | "node-2";
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  /** Container ports by name. The pods listen on 80, 81 and 82 whatever they declare. A name's second entry is in a second container. */
  readonly ports?: readonly DeclaredPort[];
  /** Those of an init container. */
  readonly initPorts?: readonly DeclaredPort[];
  readonly hostNetwork?: boolean;
  /** Has a readiness probe over the network, and must become Ready. */
  readonly probed?: boolean;
  /** Runs and is never Ready. */
  readonly unready?: boolean;
  /** Ends at once, well or badly, and keeps its object. */
  readonly ends?: "Succeeded" | "Failed";
}

/** A Service with a ClusterIP of each family. */
export interface CaseService {
  /** `x/web`. */
  readonly name: string;
  /** Labels of its endpoints, pods of its own namespace. */
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly port: number;
    /** A number, or the name that each endpoint declares with a number of its own. */
    readonly targetPort: number | string;
    /** Default TCP. */
    readonly protocol?: "TCP" | "UDP" | "SCTP";
  }[];
}

/** From a pod to a pod or a Service by `PORT/PROTOCOL`. */
export type Way = readonly [from: string, to: string, service: Service];

export interface Step {
  readonly changes: readonly Change[];
  /** Everything not named is `ok`; a pod's way to itself is not judged unless a row names both of its ends alike. */
  readonly expect: readonly Row[];
  /** Connections made when the rows hold. They must go on working in every later step of the case. */
  readonly open?: readonly Way[];
  /** Connections begun while their first packets are dropped: they must come to be in the next step, by the retries of the sender. */
  readonly begin?: readonly Way[];
}

export interface PolicyCase {
  /** Where the sheet has it: `A.3.1`, or `E.1-14` for row 14 of E.1. */
  readonly id: string;
  /** Further places of the sheet that it shows. */
  readonly also?: readonly string[];
  readonly title: string;
  /** What is probed in every step beside the services that rows of any step name. */
  readonly services?: readonly Service[];
  /** Probe only the ways that rows name instead of all pairs. */
  readonly onlyRows?: boolean;
  /** What it sets is refused by the API, so that only what an API of another version took can look so: played in memory alone. */
  readonly refusedByApi?: true;
  readonly steps: readonly Step[];
}

/** A case of the sheet that no packet shows here, and why. */
export interface AbsentCase {
  readonly id: string;
  readonly title: string;
  readonly reason: string;
}
