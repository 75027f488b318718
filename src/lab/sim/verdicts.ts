import { judgeHalf } from "#core/policy/cases/reference.ts";
import type { OtherObjects } from "#core/policy/cases/who.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { keyOf, type KubeObject, type Namespace, type NetworkPolicy, type Pod } from "#lib/kube/index.ts";
import { createChoices } from "./choices.ts";
import type { WorldChange, WorldHistory } from "./history.ts";
import { orderedChoices, worldOf } from "./ordered.ts";

export interface Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly port: number;
  /** The Service (`namespace/name`) by which it came to its destination. */
  readonly through?: string;
}

/**
 * What a node may have in force of objects that changed meanwhile. `objects`: each object as it was, is, or was in between, the same for all policies.
 * `policies`: each policy may see another state, as when what a change means for several policies comes by several messages.
 */
export type Mixing = "objects" | "policies";

export interface PossibleVerdicts {
  readonly passes: boolean;
  readonly ends: boolean;
  /** Why it passes, and why it ends, in some state that says so; empty where none does. */
  readonly why: { readonly passes: string; readonly ends: string };
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
  const { statesOf, keysOf } = createChoices({ history, changes });
  const around: readonly (readonly (KubeObject | undefined)[])[] = [
    // The node that has the pod opens it when it knows it.
    statesOf("Pod", keyOf(subject)).filter(hasAddress),
    statesOf("Pod", keyOf(peer)),
    ...namespaceNames.map((name) => statesOf("Namespace", name)),
  ];
  const prefix = `${subject.metadata.namespace}/`;
  const policies: readonly (readonly (KubeObject | undefined)[])[] = keysOf("K8sNetworkPolicy")
    .filter((key) => key.startsWith(prefix))
    .map((key) => statesOf("K8sNetworkPolicy", key));
  let reason = "";
  const why = { passes: "", ends: "" };
  const judge = (
    objects: readonly (KubeObject | undefined)[],
    standing: readonly (KubeObject | undefined)[],
    others: OtherObjects,
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
        ...others,
      },
      { from: { pod: sender }, protocol: "UDP", ...packet },
      { subject: subjectState, direction },
    );
    reason = judgement.reason;
    why[judgement.allowed ? "passes" : "ends"] = reason;
    return !judgement.allowed ? "ends" : reason.endsWith("not isolated") ? "open" : "permits";
  };
  const whoever = count(around) > mostJudgements ? [] : mixtures(around);
  const ordered = orderedChoices({
    history,
    changes,
    namespace: subject.metadata.namespace ?? "",
    direction,
    endsIn: (world) => count(around) > mostStates || whoever.some((objects) => judge(objects, [], world) === "ends"),
  });
  const mixed = [...around, ...policies, ...ordered.choices].reduce((sum, { length }) => sum + length - 1, 0);
  if (mixing === "objects" || ordered.policies > 0) {
    const each = count(ordered.choices) + policies.reduce((sum, { length }) => sum + length, 0);
    if (count(around) * each > mostJudgements) return undefined;
    const found = { passes: false, ends: false };
    for (const objects of whoever) {
      // Given the rest, what one policy of Kubernetes says does not depend on the state of another.
      const isolating = policies.map((states) => new Set(states.map((state) => judge(objects, [state], {}))));
      const permits = isolating.some((findings) => findings.has("permits"));
      const closes = isolating.some((findings) => findings.has("ends")) && isolating.every((one) => one.has("ends") || one.has("open"));
      const open = isolating.every((findings) => findings.has("open"));
      for (const chosen of mixtures(ordered.choices)) {
        const alone = judge(objects, [], worldOf(ordered, chosen));
        const decides = reason.endsWith(" of a tier");
        found.passes ||= decides ? alone !== "ends" : permits || (open && alone !== "ends");
        found.ends ||= decides ? alone === "ends" : closes || (open && alone === "ends");
      }
    }
    return { ...found, why, mixed };
  }
  const findings: ReadonlySet<"open" | "permits" | "ends">[] = [];
  for (const each of policies) {
    if (count([...around, each]) > mostStates) return undefined;
    findings.push(new Set(mixtures([...around, each]).map((mixture) => judge(mixture.slice(0, -1), mixture.slice(-1), {}))));
  }
  // Policies isolate together, and what one permits is permitted.
  return {
    passes: findings.some((finding) => finding.has("permits")) || findings.every((finding) => finding.has("open")),
    ends: findings.some((finding) => finding.has("ends")) && findings.every((finding) => finding.has("ends") || finding.has("open")),
    why,
    mixed,
  };
}

export const hasAddress = (pod: Pod | undefined): boolean => (pod?.status?.podIPs?.length ?? 0) > 0;

export const count = (choices: readonly (readonly unknown[])[]): number => choices.reduce((product, { length }) => product * length, 1);

/** One of each, in every way. */
export function mixtures<Item>(choices: readonly (readonly Item[])[]): Item[][] {
  let found: Item[][] = [[]];
  for (const items of choices) found = found.flatMap((start) => items.map((item) => [...start, item]));
  return found;
}
