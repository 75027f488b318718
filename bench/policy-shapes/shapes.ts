import type { ExternalEntity } from "../../src/core/api/antrea/external-entity.ts";
import type { AntreaPolicy } from "../../src/core/api/antrea/policy.ts";
import type { Namespace, NetworkPolicy, Pod } from "../../src/lib/kube/index.ts";

/** A cluster of one of the shapes that Antrea measures its controller with, as parsed objects. */
export interface ShapeObjects {
  readonly externalEntities?: readonly ExternalEntity[];
  readonly antreaPolicies?: readonly AntreaPolicy[];
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
}

/** Each shape by the name that upstream and the issue give it. Every pod has one label and one address, on one of 1 000 nodes at random. */
export const shapes = {
  small_namespaces: () => namespaced({ namespaces: 25_000, podsEach: 4, labelSets: 2 }),
  large_namespaces: () => namespaced({ namespaces: 100, podsEach: 1_000, labelSets: 100 }),
  one_namespace: () => ({
    namespaces: [namespace(0)],
    pods: times(10_000, (index) => pod(0, index, { app: "app" })),
    policies: times(10_000, (index) => policy(0, index, { app: "app" }, { podSelector: { matchLabels: { app: "app" } } })),
  }),
  policy_per_pod: () => ({
    namespaces: [namespace(0)],
    pods: times(10_000, (index) => pod(0, index, { app: `app-${index}` })),
    policies: times(10_000, (index) =>
      policy(0, index, { app: `app-${index}` }, { podSelector: { matchLabels: { app: `app-${(index + 1) % 10_000}` } } }),
    ),
  }),
  external_entities: () => ({
    namespaces: [namespace(0)],
    pods: [],
    policies: [],
    externalEntities: times(10_000, (index) => externalEntity(index)),
    antreaPolicies: times(10_000, (index) => antreaPolicy(index)),
  }),
  companies: () => companies(1),
} satisfies Readonly<Record<string, () => ShapeObjects>>;
export type ShapeName = keyof typeof shapes;

/** `scale` hundred companies of ten namespaces, each with 100 pods of ten labels and 10 policies; the peer of each is its own label in all of the company. */
export function companies(scale: number): ShapeObjects {
  const count = 1_000 * scale;
  const company = (index: number): Record<string, string> => ({ company: `company-${Math.floor(index / 10)}` });
  return {
    namespaces: times(count, (index) => namespace(index, company(index))),
    pods: times(count * 100, (index) => pod(Math.floor(index / 100), index, { app: `app-${index % 10}` })),
    policies: times(count * 10, (index) => {
      const home = Math.floor(index / 10);
      const app = { app: `app-${index % 10}` };
      return policy(home, index, app, { podSelector: { matchLabels: app }, namespaceSelector: { matchLabels: company(home) } });
    }),
  };
}

/** In each namespace pods of a few labels, a policy that denies all, and one for each label with itself as the peer. */
function namespaced(size: { readonly namespaces: number; readonly podsEach: number; readonly labelSets: number }): ShapeObjects {
  const { podsEach, labelSets } = size;
  const policiesEach = labelSets + 1;
  const app = (index: number): Record<string, string> => ({ app: `app-${index % labelSets}` });
  return {
    namespaces: times(size.namespaces, (index) => namespace(index)),
    pods: times(size.namespaces * podsEach, (index) => pod(Math.floor(index / podsEach), index, app(index))),
    policies: times(size.namespaces * policiesEach, (index) => {
      const home = Math.floor(index / policiesEach);
      const own = index % policiesEach;
      return own === labelSets ? policy(home, index, {}) : policy(home, index, app(own), { podSelector: { matchLabels: app(own) } });
    }),
  };
}

const times = <Item>(count: number, make: (index: number) => Item): Item[] => Array.from({ length: count }, (_, index) => make(index));

const namespaceName = (index: number): string => `namespace-${index}`;

function namespace(index: number, labels: Record<string, string> = { app: namespaceName(index) }): Namespace {
  const name = namespaceName(index);
  return parsed({ metadata: { name, uid: uid("n", index), labels: { ...labels, "kubernetes.io/metadata.name": name } } });
}

let state = 1;
/** Lehmer's generator: the same nodes in every run. */
const random = (below: number): number => {
  state = (state * 48_271) % 0x7fff_ffff;
  return state % below;
};

export function pod(home: number, index: number, labels: Record<string, string>): Pod {
  const ip = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  return parsed({
    metadata: { namespace: namespaceName(home), name: `pod-${index}`, uid: uid("p", index), labels },
    spec: { nodeName: `node-${random(1_000)}`, containers: [{ name: "c" }] },
    status: { phase: "Running", podIP: ip, podIPs: [{ ip }] },
  });
}

export function policy(
  home: number,
  index: number,
  matchLabels: Record<string, string>,
  peer?: NonNullable<NonNullable<NonNullable<NetworkPolicy["spec"]>["ingress"]>[number]["from"]>[number],
): NetworkPolicy {
  return parsed({
    metadata: { namespace: namespaceName(home), name: `policy-${index}`, uid: uid("b", index), generation: 1 },
    spec: {
      podSelector: Object.keys(matchLabels).length === 0 ? {} : { matchLabels },
      policyTypes: ["Ingress", "Egress"],
      ...(peer && { ingress: [{ from: [peer] }] }),
    },
  });
}

function externalEntity(index: number): ExternalEntity {
  return parsed({
    metadata: { namespace: namespaceName(0), name: `entity-${index}`, uid: uid("e", index), labels: { app: `app-${index}` } },
    spec: {
      endpoints: [{ ip: `10.0.${(index >> 8) & 255}.${index & 255}` }],
      externalNode: `node-${random(1_000)}`,
    },
  });
}

function antreaPolicy(index: number): AntreaPolicy {
  const selector = (app: number) => ({ externalEntitySelector: { matchLabels: { app: `app-${app % 10_000}` } } });
  return parsed({
    metadata: { namespace: namespaceName(0), name: `policy-${index}`, uid: uid("a", index), generation: 1 },
    spec: {
      tier: "application",
      priority: 5,
      appliedTo: [selector(index)],
      ingress: [{ action: "Allow", name: "ingress-allow", from: [selector(index + 1)] }],
      egress: [],
    },
  });
}

const uid = (kind: string, index: number): string => `${kind.padStart(8, "0")}-0000-4000-8000-${String(index).padStart(12, "0")}`;

/** As a client of the API gets it: nothing shared between objects. */
function parsed<Kind>(object: Kind): Kind {
  return JSON.parse(JSON.stringify(object)) as Kind;
}
