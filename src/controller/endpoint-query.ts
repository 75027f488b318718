import type { Direction, NetworkPolicy, PolicyReference } from "#core/api/controlplane/index.ts";
import type { PolicyEngine } from "#core/policy/index.ts";

/** What `antctl query endpoint` shows of one pod: the policies it is subject of, and the rules it is a peer of. */
export interface EndpointAnswer {
  readonly endpoints: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly policies: readonly PolicyReference[];
    readonly ingresssrcrules: readonly EndpointRule[];
    readonly egressdstrules: readonly EndpointRule[];
  }[];
}

interface EndpointRule {
  readonly policyref: PolicyReference;
  readonly direction: Direction;
  /** Position in the policy's list of that direction. */
  readonly ruleindex: number;
}

/** Undefined for a pod that is not known. */
export function queryEndpoint(
  engine: PolicyEngine,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): EndpointAnswer | undefined {
  const groups = engine.groupsOfPod(`${namespace}/${name}`);
  if (groups === undefined) return undefined;
  const rows = engine
    .policies()
    .map(({ row }) => row)
    .toArray();
  const isSubject = (names: readonly string[]): boolean => names.some((group) => groups.appliedToGroups.has(group));
  const peerRules = (direction: Direction): EndpointRule[] => rows.flatMap((row) => rulesOn(row, direction, groups.addressGroups));
  return {
    endpoints: [
      {
        namespace,
        name,
        policies: rows
          .filter((row) => isSubject(row.appliedToGroups) || row.rules.some((rule) => isSubject(rule.appliedToGroups)))
          .map(({ sourceRef }) => sourceRef),
        ingresssrcrules: peerRules("In"),
        egressdstrules: peerRules("Out"),
      },
    ],
  };
}

function rulesOn({ sourceRef, rules }: NetworkPolicy, direction: Direction, addressGroups: ReadonlySet<string>): EndpointRule[] {
  return rules
    .filter((rule) => rule.direction === direction)
    .map((rule, ruleindex) => ({ rule, ruleindex }))
    .filter(({ rule }) => rule.peer.addressGroups.some((name) => addressGroups.has(name)))
    .map(({ ruleindex }) => ({ policyref: sourceRef, direction, ruleindex }));
}
