import { removingFirst } from "#agent/flows/no-window/changing-node.ts";
import type { Clients } from "#agent/clients.ts";
import type { ControllerReplica } from "#agent/controllers/replicas.ts";
import type { AgentPlatform } from "#agent/platform.ts";
import type { KubeClient, KubeObject } from "#lib/kube/index.ts";
import { changedConnection } from "#lib/openflow/changed-connection.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { UnknownMutant } from "./errors.ts";

/** A mistake that is built into agents or controllers, for tests of the simulator: what it does not notice, it would not notice in a real one. */
export interface Mutant {
  readonly name: string;
  platform(platform: AgentPlatform): AgentPlatform;
  /** A controller's way to the Kubernetes API. */
  ofController?(client: KubeClient): KubeClient;
}

export const noMutant: Mutant = { name: "none", platform: (platform) => platform };

type Told = (event: { readonly type: string; readonly object: KubeObject }, count: number) => boolean;

/** The same client, which does not tell all of what it hears of some kinds. */
const deafTo = (client: KubeClient, plurals: readonly string[], hears: Told): KubeClient => ({
  ...client,
  async *watch(resource, options) {
    let count = 0;
    for await (const event of client.watch(resource, options))
      if (!plurals.includes(resource.plural) || event.type === "BOOKMARK" || hears(event as Parameters<Told>[0], ++count)) yield event;
  },
});

/** The same clients, with another way to each controller; the same way for as long as it is the same controller. */
function withControllers(clients: Clients, another: (client: KubeClient) => KubeClient): Clients {
  const made = new WeakMap<KubeClient, ControllerReplica>();
  const replace = (replica: ControllerReplica): ControllerReplica => {
    const known = made.get(replica.client) ?? { ...replica, client: another(replica.client) };
    made.set(replica.client, known);
    return known;
  };
  return { ...clients, controllers: { ...clients.controllers, known: () => clients.controllers.known().map(replace) } };
}

/** Agents that do not hear some of what the controller says. */
const deaf = (name: string, plural: string, hears: Told): Mutant => ({
  name,
  platform: (platform) => ({
    ...platform,
    connectClients: (signal) => withControllers(platform.connectClients(signal), (client) => deafTo(client, [plural], hears)),
  }),
});

const switching = (name: string, wrong: (connection: OpenFlowConnection) => OpenFlowConnection): Mutant => ({
  name,
  platform: (platform) => ({ ...platform, connectBridge: async (bridge, signal) => wrong(await platform.connectBridge(bridge, signal)) }),
});

export const mutants: readonly Mutant[] = [
  deaf("misses-policy-deletions", "networkpolicies", ({ type }) => type !== "DELETED"),
  deaf("misses-fifth-peer-change", "addressgroups", ({ type }, count) => type !== "MODIFIED" || count % 5 !== 0),
  deaf("misses-third-subject-change", "appliedtogroups", ({ type }, count) => type !== "MODIFIED" || count % 3 !== 0),
  // Policies of Antrea in namespaces are nothing to it.
  deaf("misses-antrea-policies", "networkpolicies", ({ object }) => sourceOf(object) !== "AntreaNetworkPolicy"),
  // And policies of policy.networking.k8s.io.
  deaf("misses-upstream-policies", "networkpolicies", ({ object }) => sourceOf(object) !== "K8sClusterNetworkPolicy"),
  {
    // A controller that takes groups for what they were when it first heard of them.
    name: "misses-group-changes",
    platform: (platform) => platform,
    ofController: (client) => deafTo(client, ["groups", "clustergroups"], ({ type }) => type !== "MODIFIED"),
  },
  {
    // A controller that believes to have written how far policies are enforced.
    name: "writes-no-status",
    platform: (platform) => platform,
    ofController: (client) => ({
      ...client,
      patch: (resource, target, ...rest) =>
        target.subresource === "status" ? client.get(resource, { ...target, subresource: "" }) : client.patch(resource, target, ...rest),
    }),
  },
  {
    // Whoever serves a Service first serves it for ever.
    name: "misses-endpoint-changes",
    platform: (platform) => ({
      ...platform,
      connectClients(signal) {
        const clients = platform.connectClients(signal);
        return { ...clients, kubernetes: deafTo(clients.kubernetes, ["endpointslices"], isNewOrOfAntrea) };
      },
    }),
  },
  {
    // Controllers are for ever at the addresses where they were first, and there is no other way to them.
    name: "keeps-first-controllers",
    platform: (platform) => ({
      ...platform,
      connectClients(signal) {
        const clients = platform.connectClients(signal);
        let first: readonly ControllerReplica[] | undefined;
        const known = (): readonly ControllerReplica[] => {
          const now = clients.controllers.known();
          if (now.some(({ standing }) => standing === "ready")) first ??= now.filter(({ standing }) => standing !== "indirect");
          return first ?? now;
        };
        return { ...clients, controllers: { ...clients.controllers, known } };
      },
    }),
  },
  // What is no longer wanted goes before what takes its place has come.
  switching("removes-before-adding", (connection) => changedConnection(connection, { change: removingFirst(connection).change })),
  // The switch is told of additions alone.
  switching("never-removes", (connection) =>
    changedConnection(connection, { change: (changes) => connection.change(changes.filter(({ command }) => command !== "delete_strict")) }),
  ),
  // Believes whatever the switch holds: dumps tell nothing, so that nothing is compared.
  switching("compares-nothing", (connection) =>
    changedConnection(connection, { async *dumpFlows() {}, tables: () => Promise.resolve([]) }),
  ),
  {
    // Of several controllers it knows one.
    name: "knows-one-controller",
    platform: (platform) => ({
      ...platform,
      connectClients: (signal) => {
        const clients = platform.connectClients(signal);
        return { ...clients, controllers: { ...clients.controllers, known: () => clients.controllers.known().slice(0, 1) } };
      },
    }),
  },
  {
    // Each controller seems to be of a cluster of its own: what cannot be compared is not refused, as after a restore from a backup.
    name: "believes-who-is-behind",
    platform: (platform) => ({
      ...platform,
      connectClients: (signal) =>
        withControllers(platform.connectClients(signal), (client) => ({
          ...client,
          async *watch(resource, options) {
            for await (const event of client.watch(resource, options)) yield ofCluster(event, client.server) as typeof event;
          },
        })),
    }),
  },
  {
    // It takes the controller's word that the policies of a pod are computed, whatever it was asked.
    name: "opens-before-judging",
    platform: (platform) => ({
      ...platform,
      connectClients: (signal) =>
        withControllers(platform.connectClients(signal), (client) => ({
          ...client,
          async *watch(resource, options) {
            for await (const event of client.watch(resource, options)) yield withAllComputed(event) as typeof event;
          },
        })),
    }),
  },
];

const sourceOf = (object: KubeObject): string | undefined =>
  (object as { readonly sourceRef?: { readonly type?: string } }).sourceRef?.type;

const isNewOrOfAntrea: Told = ({ type, object }) => type === "ADDED" || object.metadata.labels?.["kubernetes.io/service-name"] === "antrea";

/** A controller that claims to have computed whatever will be. */
function withAllComputed(event: unknown): unknown {
  const text = JSON.stringify(event).replace(/\\"pods\\":\\"\d*\\"/, '\\"pods\\":\\"999999999\\"');
  return JSON.parse(text);
}

const ofCluster = (event: unknown, cluster: string): unknown =>
  JSON.parse(JSON.stringify(event).replace(/\\"cluster\\":\\"[^"\\]*\\"/, `\\"cluster\\":\\"${cluster}\\"`));

/** Throws {@link UnknownMutant}. */
export function mutantCalled(name: string): Mutant {
  const mutant = mutants.find((each) => each.name === name);
  if (mutant === undefined)
    throw new UnknownMutant(
      name,
      mutants.map((each) => each.name),
    );
  return mutant;
}
