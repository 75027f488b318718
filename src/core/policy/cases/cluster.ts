import { keyOf, type NetworkPolicy } from "#lib/kube/index.ts";
import type { Labels } from "#lib/kube/selectors.ts";
import type { CasePod, CaseService, Change, OtherKind, OtherObject } from "./case.ts";
import { fixtureNamespaces, fixturePods } from "./fixture.ts";

/** What exists at some step of a case, by the fixture's names. */
export interface CaseCluster {
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, CasePod>;
  /** By `namespace/name`. */
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, CaseService>;
  /** By {@link keyOfOther}. */
  readonly others: ReadonlyMap<string, OtherObject>;
}

export function fixtureCluster(): CaseCluster {
  return {
    namespaces: new Map(fixtureNamespaces.map((name) => [name, { ns: name }])),
    pods: new Map(fixturePods.map((pod) => [pod.name, pod])),
    policies: new Map(),
    services: new Map(),
    others: new Map(),
  };
}

/** The cluster after a change, as the API would have it. Throws on a change of what is not there: a mistake in a case. */
export function changed(cluster: CaseCluster, change: Change): CaseCluster {
  switch (change.type) {
    case "apply":
      return { ...cluster, policies: put(cluster.policies, keyOfPolicy(change.policy), change.policy) };
    case "set": {
      const { kind, object } = change.other;
      return { ...cluster, others: put(cluster.others, keyOfOther(kind, keyOf(object)), change.other) };
    }
    case "unset":
      return { ...cluster, others: without(cluster.others, keyOfOther(change.kind, change.key)) };
    case "remove":
      return { ...cluster, policies: without(cluster.policies, change.policy) };
    case "label-namespace": {
      const before = change.replace ? {} : present(cluster.namespaces, change.namespace);
      return { ...cluster, namespaces: put(cluster.namespaces, change.namespace, merged(before, change.labels)) };
    }
    case "label-pod": {
      const pod = present(cluster.pods, change.pod);
      return { ...cluster, pods: put(cluster.pods, change.pod, { ...pod, labels: merged(pod.labels, change.labels) }) };
    }
    case "create-pod":
      if (cluster.pods.has(change.pod.name)) throw new RangeError(`pod ${change.pod.name} is there already`);
      return { ...cluster, pods: put(cluster.pods, change.pod.name, change.pod) };
    case "delete-pod":
      return { ...cluster, pods: without(cluster.pods, change.pod) };
    case "create-service":
      return { ...cluster, services: put(cluster.services, change.service.name, change.service) };
    case "delete-service":
      return { ...cluster, services: without(cluster.services, change.service) };
    case "terminate-pod":
    case "forget-neighbours":
      return cluster;
  }
}

export const keyOfOther = (kind: OtherKind, key: string): string => `${kind} ${key}`;

export const keyOfPolicy = ({ metadata }: NetworkPolicy): string => `${metadata.namespace}/${metadata.name}`;

function put<Value>(map: ReadonlyMap<string, Value>, key: string, value: Value): ReadonlyMap<string, Value> {
  return new Map(map).set(key, value);
}

function without<Value>(map: ReadonlyMap<string, Value>, key: string): ReadonlyMap<string, Value> {
  present(map, key);
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}

function present<Value>(map: ReadonlyMap<string, Value>, key: string): Value {
  const value = map.get(key);
  if (value === undefined) throw new RangeError(`${key} is not there`);
  return value;
}

function merged(labels: Labels, changes: Readonly<Record<string, string | null>>): Labels {
  const result: Record<string, string> = { ...labels };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete result[key];
    else result[key] = value;
  }
  return result;
}
