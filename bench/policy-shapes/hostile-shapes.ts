import { createPolicyObjects, type PolicyObjects } from "../../src/core/policy/index.ts";

/** Something of a size that nobody has for use: what is there before, and what is written. */
interface HostileShape {
  readonly size: number;
  readonly around: (count: number) => PolicyObjects;
  readonly write: (objects: PolicyObjects, count: number) => void;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const address = (number: number, first: number): string => `${first}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;

function addNamespace(objects: PolicyObjects, name: string, labels: Readonly<Record<string, string>>): void {
  objects.apply("Namespace", name, { metadata: { name, uid: name, labels } });
}

function addPod(objects: PolicyObjects, namespace: string, name: string, number: number): void {
  objects.apply("Pod", `${namespace}/${name}`, {
    metadata: { namespace, name, uid: `${namespace}/${name}`, labels: { app: name } },
    spec: { nodeName: `node-${number % 1_000}`, containers: [] },
    status: { phase: "Running", podIPs: [{ ip: address(number, 10) }] },
  });
}

function onePlace(): PolicyObjects {
  const objects = createPolicyObjects();
  addNamespace(objects, "x", {});
  for (const number of numbers(1_000)) addPod(objects, "x", `a${number}`, number);
  return objects;
}

function manyNamespaces(count: number): PolicyObjects {
  const objects = createPolicyObjects();
  for (const number of numbers(count)) {
    addNamespace(objects, `n${number}`, { team: `t${number % 50}` });
    addPod(objects, `n${number}`, "a", number);
  }
  return objects;
}

function write(objects: PolicyObjects, spec: object): void {
  const metadata = { name: "big", uid: "big", generation: 1 };
  objects.apply("AntreaClusterNetworkPolicy", "big", { metadata, spec: { priority: 1, appliedTo: [{ podSelector: {} }], ...spec } });
}

const group = (objects: PolicyObjects, name: string, spec: object): void =>
  objects.apply("ClusterGroup", name, { metadata: { name, uid: name }, spec });

const everywhere = (peer: object) => ({
  appliedTo: [{ namespaceSelector: {} }],
  ingress: [{ name: "r", action: "Allow", from: [peer] }],
});

export const hostileShapes: Readonly<Record<string, HostileShape>> = {
  rules: {
    size: 10_000,
    around: onePlace,
    write: (objects, count) =>
      write(objects, {
        ingress: numbers(count).map((number) => ({
          name: `r${number}`,
          action: "Drop",
          from: [{ podSelector: { matchLabels: { app: `a${number}` } } }],
          ports: [{ port: number + 1 }],
        })),
      }),
  },
  blocks: {
    size: 100_000,
    around: onePlace,
    write(objects, count) {
      for (const part of numbers(10))
        group(objects, `g${part}`, { ipBlocks: numbers(count / 10).map((number) => ({ cidr: `${address(number, 11 + part)}/32` })) });
      group(objects, "all", { childGroups: numbers(10).map((part) => `g${part}`) });
      write(objects, { egress: [{ name: "r", action: "Drop", to: [{ group: "all" }] }] });
    },
  },
  values: {
    size: 50_000,
    around: onePlace,
    write: (objects, count) =>
      write(objects, {
        egress: (["In", "NotIn"] as const).map((operator) => ({
          name: operator,
          action: "Drop",
          to: [{ podSelector: { matchExpressions: [{ key: "app", operator, values: numbers(count).map((number) => `b${number}`) }] } }],
        })),
      }),
  },
  namespaces: {
    size: 50_000,
    around: manyNamespaces,
    write: (objects) => write(objects, everywhere({ namespaceSelector: { matchExpressions: [{ key: "team", operator: "Exists" }] } })),
  },
  namespaces_self: {
    size: 50_000,
    around: manyNamespaces,
    write: (objects) => write(objects, everywhere({ namespaces: { match: "Self" } })),
  },
  namespaces_same_labels: {
    size: 50_000,
    around: manyNamespaces,
    write: (objects) => write(objects, everywhere({ namespaces: { sameLabels: ["team"] } })),
  },
};
