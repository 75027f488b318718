import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { judgeHalf } from "#core/policy/cases/reference.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { keyOf, type KubeObject, type Namespace, type NetworkPolicy, type Pod } from "#lib/kube/index.ts";
import type { WorldChange, WorldHistory } from "./history.ts";

export interface Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly port: number;
}

/**
 * What a node may have in force of objects that changed meanwhile. `objects`: each object as it was, is, or was in between, the same for all policies.
 * `policies`: each policy may see another state, as when what a change means for several policies comes by several messages.
 */
export type Mixing = "objects" | "policies";

export interface PossibleVerdicts {
  readonly passes: boolean;
  readonly ends: boolean;
  /** Why the last state that was looked at gives what it gives. */
  readonly reason: string;
  /** How many changes may be in force or not. */
  readonly mixed: number;
}

/** More states than this are not looked at, where each policy is looked at by itself. */
const mostStates = 256;
/** And of all together so many judgements. */
const mostJudgements = 1_000;

/** What may become of the first packet of a connection at one of its nodes, by all that the node may have in force. Undefined when that is too much to look at. */
export function possibleVerdicts(options: {
  readonly history: WorldHistory;
  /** What the node may or may not have seen. */
  readonly changes: readonly WorldChange[];
  readonly from: Pod;
  readonly to: Pod;
  readonly direction: "Ingress" | "Egress";
  readonly packet: Packet;
  readonly mixing: Mixing;
}): PossibleVerdicts | undefined {
  const { history, changes, from, to, direction, packet, mixing } = options;
  const [subject, peer] = direction === "Egress" ? [from, to] : [to, from];
  const namespaceNames = [...new Set([from.metadata.namespace ?? "", to.metadata.namespace ?? ""])];
  const states = Map.groupBy(changes, ({ kind, key }) => `${kind} ${key}`);
  /** Every state that the node may have of an object. */
  const statesOf = (id: string, now: KubeObject | undefined): (KubeObject | undefined)[] => {
    const changed = states.get(id);
    return changed === undefined ? [now] : [changed[0]?.before, ...changed.map(({ after }) => after)];
  };
  const around = [
    // The node that has the pod opens it when it knows it.
    statesOf(`pods ${keyOf(subject)}`, history.pods.get(keyOf(subject))).filter((pod) => hasAddress(pod as Pod | undefined)),
    statesOf(`pods ${keyOf(peer)}`, history.pods.get(keyOf(peer))),
    ...namespaceNames.map((name) => statesOf(`namespaces ${name}`, history.namespaces.get(name))),
  ];
  const prefix = `${subject.metadata.namespace}/`;
  const policyKeys = new Set([
    ...history.policies.keys(),
    ...changes.flatMap(({ kind, key }) => (kind === "networkpolicies" ? [key] : [])),
  ]);
  const policies = [...policyKeys]
    .filter((key) => key.startsWith(prefix))
    .map((key) => statesOf(`networkpolicies ${key}`, history.policies.get(key)));
  // Whatever namespace it is in, and in an order among each other: one cannot be judged without the others.
  const clusterPolicies = [
    ...new Set([
      ...history.clusterPolicies.keys(),
      ...changes.flatMap(({ kind, key }) => (kind === "clusternetworkpolicies" ? [key] : [])),
    ]),
  ].map((key) => statesOf(`clusternetworkpolicies ${key}`, history.clusterPolicies.get(key)));
  const mixed = [...around, ...policies, ...clusterPolicies].reduce((sum, { length }) => sum + length - 1, 0);
  let reason = "";
  const judge = (
    objects: readonly (KubeObject | undefined)[],
    standing: readonly (KubeObject | undefined)[],
    ordered: readonly (KubeObject | undefined)[],
  ): "open" | "permits" | "ends" => {
    const [subjectState = subject, peerState, ...namespaces] = objects as readonly [
      Pod | undefined,
      Pod | undefined,
      ...(Namespace | undefined)[],
    ];
    const [sender, receiver] = direction === "Egress" ? [subjectState, peerState ?? peer] : [peerState ?? peer, subjectState];
    const judgement = judgeHalf(
      {
        namespaces: namespaces.filter((each) => each !== undefined),
        pods: peerState === undefined ? [subjectState] : [sender, receiver],
        policies: standing.filter((each) => each !== undefined) as readonly NetworkPolicy[],
        antreaPolicies: ordered.filter((each) => each !== undefined) as readonly AntreaPolicy[],
      },
      { from: { pod: sender }, source: packet.source, destination: packet.destination, protocol: "UDP", port: packet.port },
      { subject: subjectState, direction },
    );
    reason = judgement.reason;
    return !judgement.allowed ? "ends" : judgement.reason.endsWith("not isolated") ? "open" : "permits";
  };
  if (mixing === "objects" || clusterPolicies.length > 0) {
    const each = count(clusterPolicies) + policies.reduce((sum, { length }) => sum + length, 0);
    if (count(around) * each > mostJudgements) return undefined;
    const found = { passes: false, ends: false };
    for (const objects of mixtures(around)) {
      // Given the rest, what one policy of Kubernetes says does not depend on the state of another.
      const isolating = policies.map((states) => new Set(states.map((state) => judge(objects, [state], []))));
      const permits = isolating.some((findings) => findings.has("permits"));
      const closes = isolating.some((findings) => findings.has("ends")) && isolating.every((one) => one.has("ends") || one.has("open"));
      const open = isolating.every((findings) => findings.has("open"));
      for (const ordered of mixtures(clusterPolicies)) {
        const alone = judge(objects, [], ordered);
        const decides = reason.endsWith(" of a tier");
        found.passes ||= decides ? alone !== "ends" : permits || (open && alone !== "ends");
        found.ends ||= decides ? alone === "ends" : closes || (open && alone === "ends");
      }
    }
    return { ...found, reason, mixed };
  }
  const findings: ReadonlySet<"open" | "permits" | "ends">[] = [];
  for (const each of policies) {
    if (count([...around, each]) > mostStates) return undefined;
    findings.push(new Set(mixtures([...around, each]).map((mixture) => judge(mixture.slice(0, -1), mixture.slice(-1), []))));
  }
  // Policies isolate together, and what one permits is permitted.
  return {
    passes: findings.some((finding) => finding.has("permits")) || findings.every((finding) => finding.has("open")),
    ends: findings.some((finding) => finding.has("ends")) && findings.every((finding) => finding.has("ends") || finding.has("open")),
    reason,
    mixed,
  };
}

export const hasAddress = (pod: Pod | undefined): boolean => (pod?.status?.podIPs?.length ?? 0) > 0;

const count = (choices: readonly (readonly unknown[])[]): number => choices.reduce((product, { length }) => product * length, 1);

/** One of each, in every way. */
function mixtures<Item>(choices: readonly (readonly Item[])[]): Item[][] {
  let found: Item[][] = [[]];
  for (const items of choices) found = found.flatMap((start) => items.map((item) => [...start, item]));
  return found;
}
