import {
  type ComputedRevisions,
  type ControlplaneResource,
  changeAnnotation,
  changesParameter,
  computedAnnotation,
  controlplaneGroup,
  encodeChangeMark,
  encodeComputedRevisions,
  type Group,
  heartbeatAnnotation,
  heartbeatParameter,
  memberKey,
  progressParameter,
} from "#core/api/controlplane/index.ts";
import type { AddressGroupView, AppliedToGroupView, PolicyChanges, PolicyEngine, PolicyView } from "#core/policy/index.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import type { ResourceStore, StoreWatchOptions } from "#lib/apiserver/resource-store.ts";
import { type KubeObject, matchesRequirements } from "#lib/kube/index.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { announceAddressGroup, announceAppliedToGroup, announcePolicy } from "./announce.ts";
import { createFirstMessages } from "./first-messages.ts";
import { createHeartbeats } from "./heartbeats.ts";
import { bookmark, groupMessage, initialEventsEnd, type Message, policyMessage } from "./messages.ts";
import type { OwnNodeOnly } from "./own-node.ts";
import type { Pacing } from "./pacing.ts";
import { createWatchers } from "./watchers.ts";

/** The engine's rows as API resources: read-only, held nowhere but in the engine. */
export interface ControlplaneStores {
  readonly stores: Readonly<Record<ControlplaneResource, ResourceStore>>;
  /**
   * Tells the watchers. Call after each flush of the engine, before anything else changes. Agents that ask for it are told behind it how far things are
   * computed: those on the nodes `looked`, and, with a mark on all three streams, those that were told something.
   */
  publish(changes: PolicyChanges, looked?: ReadonlySet<string>): void;
  /** Tells all agents that ask for it how far things are computed, so that they hear that we are there. */
  heartbeat(): void;
  /** Watches on applied-to groups: one for each agent. */
  readonly connectedAgents: number;
}

export interface ControlplaneStoresOptions {
  readonly engine: PolicyEngine;
  /** Settles when requests may be answered, having published whatever was pending. Rejects when it takes too long. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly computed: () => ComputedRevisions;
  readonly clock: Clock;
  /** Tells this process from others, in the marks behind its changes. */
  readonly origin: string;
  /** Keeps agents from what is another node's. */
  readonly ownNode?: OwnNodeOnly;
  /** Of all agents together. Default: as a processor of its own can bear. */
  readonly mostHeartbeatsPerSecond?: number | undefined;
  /** Spreads agents that come all at once. Absent: nobody is sent away. */
  readonly pacing?: Pacing;
}

/** One object of a resource. */
interface Row {
  readonly name: string;
  /** True where each node is told something else. */
  readonly ofNode: boolean;
  message(node: string | undefined): Message;
  /** In the one form that all replicas give it, whatever the order in which they heard of its parts. */
  inOrder(): Message;
}

/** One stream of each agent tells that we are there: they all come from the same process. */
const heartbeatResource = "networkpolicies";

/** What a list says of its version: nothing. Each watch begins with everything, and replicas number nothing alike. */
const anyVersion = "0";

/**
 * How long after a change its nodes hear once more how far things are computed. Replicas put the same events into other publications: a node that follows this one shows by it
 * that it has what another replica counts to the change. Longer than what one replica may be behind another.
 */
const afterwards: Duration = seconds(2);

/** The order of telling: a policy that arrives finds what it names. */
const groupsFirst = ["appliedtogroups", "addressgroups", "networkpolicies"] as const;

export function createControlplaneStores({
  engine,
  ready,
  computed,
  clock,
  origin,
  ownNode = () => {},
  mostHeartbeatsPerSecond,
  pacing,
}: ControlplaneStoresOptions): ControlplaneStores {
  const first = {
    networkpolicies: createFirstMessages({ clock }),
    addressgroups: createFirstMessages({ clock }),
    appliedtogroups: createFirstMessages({ clock }),
  };
  const watchers = { networkpolicies: createWatchers(), addressgroups: createWatchers(), appliedtogroups: createWatchers() };
  const progressAnnotations = (): Record<string, string> => ({ [computedAnnotation]: encodeComputedRevisions(computed()) });

  let changeNumber = 0;
  const changeAnnotations = (): Record<string, string> => ({ [changeAnnotation]: encodeChangeMark({ origin, number: changeNumber }) });
  /** Bookmarks of this moment: made when somebody wants one, and once. */
  const marksOf = (make: () => Record<string, string>): ((resource: ControlplaneResource) => () => KubeObject) => {
    let annotations: Record<string, string> | undefined;
    const marks = new Map<ControlplaneResource, KubeObject>();
    return (resource) => () => {
      annotations ??= make();
      const object = marks.get(resource) ?? bookmark(resource, annotations);
      marks.set(resource, object);
      return object;
    };
  };

  const heartbeatAnnotations = (): Record<string, string> => ({ [heartbeatAnnotation]: String(heartbeats.interval) });
  const heartbeats = createHeartbeats({
    clock,
    ...(mostHeartbeatsPerSecond !== undefined && { mostPerSecond: mostHeartbeatsPerSecond }),
    mark: () => bookmark(heartbeatResource, { ...progressAnnotations(), ...heartbeatAnnotations() }),
  });

  /** Whoever has one stream of three is not to lose it over another. */
  const isFollowed = (node: string): boolean => groupsFirst.some((resource) => watchers[resource].has(node));
  /** `rows` are all of them, or those of a node. */
  const store = (
    resource: ControlplaneResource,
    rows: (node: string | undefined) => Iterable<Row>,
    row: (name: string) => Row | undefined,
  ): ResourceStore => ({
    async get({ name }, { signal, user }) {
      ownNode(user, resource, undefined);
      await ready(signal);
      const found = row(name);
      if (found === undefined) throw notFound({ group: controlplaneGroup, resource }, name);
      return found.inOrder().plain;
    },
    // Field selectors are for watches only, as in the Go implementation; objects carry no labels.
    async list({ labelSelector }, { signal, user }) {
      ownNode(user, resource, undefined);
      await ready(signal);
      if (!matchesRequirements(labelSelector, {})) return { resourceVersion: anyVersion, items: [] };
      const sorted = [...rows(undefined)].sort((one, other) => (one.name < other.name ? -1 : 1));
      return { resourceVersion: anyVersion, items: sorted.map((each) => each.inOrder().plain) };
    },
    async watch(options, sink, { signal, parameters, user }) {
      const { node, name } = selectionOf(options);
      ownNode(user, resource, node);
      const progress = parameters.get(progressParameter) === "true";
      const changes = progress && parameters.get(changesParameter) === "true";
      const beats = progress && resource === heartbeatResource && parameters.has(heartbeatParameter);
      await ready(signal);
      if (node !== undefined && pacing !== undefined) {
        const arrival = pacing.arrive(node, signal);
        while (!isFollowed(node) && !arrival.mayBegin()) {
          await arrival.turn();
          await ready(signal);
        }
      }
      if (matchesRequirements(options.labelSelector, {})) {
        for (const each of rows(node)) {
          if (name !== undefined && each.name !== name) continue;
          const message = each.ofNode ? each.message(node) : first[resource].of(each.name, () => each.message(node));
          const object = progress ? message.marked : message.plain;
          if (!sink.send(each.ofNode ? { type: "ADDED", object, own: true } : { type: "ADDED", object })) return () => {};
        }
      }
      const annotations = {
        ...(options.sendInitialEvents && initialEventsEnd),
        ...(progress && progressAnnotations()),
        ...(changes && changeAnnotations()),
        ...(beats && heartbeatAnnotations()),
      };
      if (!sink.send({ type: "BOOKMARK", object: bookmark(resource, annotations), own: true })) return () => {};
      pacing?.began(sink);
      const leave = watchers[resource].add({ node, name, progress, changes, sink });
      const rest = beats ? heartbeats.add(sink) : undefined;
      return () => {
        leave();
        rest?.();
      };
    },
  });

  /** Told of a change, and not since of what is computed by now. */
  const restless = new Set<string>();
  const tellAfterwards = (): void => {
    const progress = marksOf(progressAnnotations);
    for (const resource of groupsFirst) for (const node of restless) watchers[resource].mark(node, progress(resource), () => true);
    restless.clear();
  };

  return {
    stores: {
      networkpolicies: store(
        "networkpolicies",
        (node) => (node === undefined ? engine.policies() : engine.policiesOn(node)).map(policyRowOf),
        (name) => mapDefined(engine.policy(name), policyRowOf),
      ),
      addressgroups: store(
        "addressgroups",
        (node) => (node === undefined ? engine.addressGroups() : engine.addressGroupsOn(node)).map(addressGroupRowOf),
        (name) => mapDefined(engine.addressGroup(name), addressGroupRowOf),
      ),
      appliedtogroups: store(
        "appliedtogroups",
        (node) => (node === undefined ? engine.appliedToGroups() : engine.appliedToGroupsOn(node)).map(appliedToGroupRowOf),
        (name) => mapDefined(engine.appliedToGroup(name), appliedToGroupRowOf),
      ),
    },
    publish(changes, looked = new Set()) {
      const told = new Set<string | undefined>();
      // Groups first: a policy that arrives finds what it names.
      for (const change of changes.appliedToGroups) watchers.appliedtogroups.tell(announceAppliedToGroup(change), told);
      for (const { name } of changes.addressGroups) first.addressgroups.changed(name);
      for (const { name } of changes.policies) first.networkpolicies.changed(name);
      for (const change of changes.addressGroups) watchers.addressgroups.tell(announceAddressGroup(change), told);
      for (const change of changes.policies) watchers.networkpolicies.tell(announcePolicy(change), told);
      if (told.size > 0) changeNumber++;
      const wasQuiet = restless.size === 0;
      for (const node of told) if (node !== undefined) restless.add(node);
      if (wasQuiet && restless.size > 0) clock.after(afterwards, tellAfterwards, { background: true });
      const progress = marksOf(progressAnnotations);
      const change = marksOf(() => ({ ...progressAnnotations(), ...changeAnnotations() }));
      // On all three, whichever of them carried something: only then does an agent know that there is no more.
      // One stream after the other: what all watchers of a resource are sent is encoded once.
      for (const resource of groupsFirst) {
        for (const node of told) watchers[resource].mark(node, change(resource), (watcher) => watcher.changes);
        for (const node of looked) watchers[resource].mark(node, progress(resource), (watcher) => !watcher.changes || !told.has(node));
      }
    },
    heartbeat() {
      const mark = marksOf(progressAnnotations);
      for (const resource of groupsFirst) watchers[resource].progressToAll(mark(resource));
    },
    get connectedAgents() {
      return watchers.appliedtogroups.size;
    },
  };
}

// Its row is made when it is needed: what many begin with at the same time is made once.
const policyRowOf = (view: PolicyView): Row => ({
  name: view.name,
  ofNode: false,
  message: () => policyMessage(view.row),
  inOrder: () => policyMessage(view.row),
});

const addressGroupRowOf = (view: AddressGroupView): Row => ({
  name: view.name,
  ofNode: false,
  message: () => groupMessage("addressgroups", () => view.group()),
  inOrder: () => groupMessage("addressgroups", () => ordered(view.group())),
});

const appliedToGroupRowOf = (view: AppliedToGroupView): Row => ({
  name: view.name,
  ofNode: true,
  message: (node) => groupMessage("appliedtogroups", () => view.group(node)),
  inOrder: () => groupMessage("appliedtogroups", () => ordered(view.group())),
});

function ordered(group: Group): Group {
  const keys = new Map(group.members.map((member) => [member, memberKey(member)]));
  return { ...group, members: [...keys].sort(([, one], [, other]) => (one < other ? -1 : 1)).map(([member]) => member) };
}

function mapDefined<From, To>(value: From | undefined, map: (value: From) => To): To | undefined {
  return value === undefined ? undefined : map(value);
}

function selectionOf({ fieldSelector }: StoreWatchOptions): { readonly node: string | undefined; readonly name: string | undefined } {
  let node: string | undefined;
  let name: string | undefined;
  for (const { path, equal, value } of fieldSelector) {
    if (path === "nodeName" && equal) node = value;
    else if (path === "metadata.name" && equal) name = value;
    else throw badRequest(equal ? `field label not supported: ${path}` : `field selector ${path}!=${value}: only = is supported here`);
  }
  return { node, name };
}
