import type { CasePod, DeclaredPort } from "./case.ts";

/** The namespaces of the sheet's default fixture, each labelled ns=NAME. */
export const fixtureNamespaces = ["x", "y", "z"] as const;

/** Ports that every pod listens on, TCP and UDP, whatever it declares. */
export const servedPorts: readonly number[] = [80, 81, 82];

const protocols = ["TCP", "UDP", "SCTP"] as const;

/** Beside the sheet's `serve-80-tcp`, …: `web` is another port in each of a, b and c, and nobody listens on `ghost`. */
const declaredBy = (name: string): readonly DeclaredPort[] => [
  ...[80, 81].flatMap((port) => protocols.map((protocol) => ({ name: `serve-${port}-${protocol.toLowerCase()}`, port, protocol }))),
  name === "c" ? { name: "web", port: 82, protocol: "UDP" } : { name: "web", port: name === "a" ? 80 : 81 },
  { name: "ghost", port: 83 },
];

/** Pods a, b, c in x, y and z, labelled pod=NAME, so placed that every namespace has neighbours on one node and across. */
export const fixturePods: readonly CasePod[] = fixtureNamespaces.flatMap((namespace, row) =>
  ["a", "b", "c"].map((name, column) => ({
    name: `${namespace}/${name}`,
    node: (row + column) % 2 === 0 ? ("node-1" as const) : ("node-2" as const),
    labels: { pod: name },
    ports: declaredBy(name),
  })),
);

export const namespaceOf = (pod: string): string => pod.slice(0, pod.indexOf("/"));
export const shortNameOf = (pod: string): string => pod.slice(pod.indexOf("/") + 1);
