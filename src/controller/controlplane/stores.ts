import {
  type ComputedRevisions,
  type ControlplaneResource,
  computedAnnotation,
  controlplaneGroup,
  encodeComputedRevisions,
  progressParameter,
} from "#core/api/controlplane/index.ts";
import type { AddressGroupView, AppliedToGroupView, PolicyChanges, PolicyEngine, PolicyView, SpanView } from "#core/policy/index.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import type { ResourceStore, StoreWatchOptions } from "#lib/apiserver/resource-store.ts";
import { type KubeObject, matchesRequirements } from "#lib/kube/index.ts";
import { announceAddressGroup, announceAppliedToGroup, announcePolicy } from "./announce.ts";
import { bookmark, groupMessage, initialEventsEnd, type Message, policyMessage } from "./messages.ts";
import { createWatchers } from "./watchers.ts";

/** The engine's rows as API resources: read-only, held nowhere but in the engine. */
export interface ControlplaneStores {
  readonly stores: Readonly<Record<ControlplaneResource, ResourceStore>>;
  /** Tells the watchers. Call after each flush of the engine, before anything else changes. */
  publish(changes: PolicyChanges): void;
  /** Tells agents on these nodes that ask for it how far things are computed. */
  progress(nodes: Iterable<string>): void;
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
}

/** One object of a resource, and to whom it matters. */
interface Row {
  readonly name: string;
  readonly span: SpanView;
  message(node: string | undefined): Message;
}

/** The order of telling: a policy that arrives finds what it names. */
const groupsFirst = ["appliedtogroups", "addressgroups", "networkpolicies"] as const;

export function createControlplaneStores({ engine, ready, computed }: ControlplaneStoresOptions): ControlplaneStores {
  let version = 1;
  const watchers = { networkpolicies: createWatchers(), addressgroups: createWatchers(), appliedtogroups: createWatchers() };
  const progressAnnotations = (): Record<string, string> => ({ [computedAnnotation]: encodeComputedRevisions(computed()) });

  /** Bookmarks of this moment: made when somebody wants one, and once. */
  const progressMarks = (): ((resource: ControlplaneResource) => () => KubeObject) => {
    let annotations: Record<string, string> | undefined;
    const marks = new Map<ControlplaneResource, KubeObject>();
    return (resource) => () => {
      annotations ??= progressAnnotations();
      const object = marks.get(resource) ?? bookmark(resource, annotations);
      marks.set(resource, object);
      return object;
    };
  };

  const store = (resource: ControlplaneResource, rows: () => Iterable<Row>, row: (name: string) => Row | undefined): ResourceStore => ({
    async get({ name }, { signal }) {
      await ready(signal);
      const found = row(name);
      if (found === undefined) throw notFound({ group: controlplaneGroup, resource }, name);
      return found.message(undefined).plain;
    },
    // Field selectors are for watches only, as in the Go implementation; objects carry no labels.
    async list({ labelSelector }, { signal }) {
      await ready(signal);
      const items: KubeObject[] = [];
      if (matchesRequirements(labelSelector, {})) for (const each of rows()) items.push(each.message(undefined).plain);
      return { resourceVersion: String(version), items };
    },
    async watch(options, sink, { signal, parameters }) {
      const { node, name } = selectionOf(options);
      const progress = parameters.get(progressParameter) === "true";
      await ready(signal);
      if (matchesRequirements(options.labelSelector, {})) {
        for (const each of rows()) {
          if ((node !== undefined && !each.span.has(node)) || (name !== undefined && each.name !== name)) continue;
          const message = each.message(node);
          if (!sink.send({ type: "ADDED", object: progress ? message.marked : message.plain })) return () => {};
        }
      }
      const annotations = { ...(options.sendInitialEvents && initialEventsEnd), ...(progress && progressAnnotations()) };
      if (!sink.send({ type: "BOOKMARK", object: bookmark(resource, annotations) })) return () => {};
      return watchers[resource].add({ node, name, progress, sink });
    },
  });

  return {
    stores: {
      networkpolicies: store(
        "networkpolicies",
        () => engine.policies().map(policyRowOf),
        (name) => mapDefined(engine.policy(name), policyRowOf),
      ),
      addressgroups: store(
        "addressgroups",
        () => engine.addressGroups().map(addressGroupRowOf),
        (name) => mapDefined(engine.addressGroup(name), addressGroupRowOf),
      ),
      appliedtogroups: store(
        "appliedtogroups",
        () => engine.appliedToGroups().map(appliedToGroupRowOf),
        (name) => mapDefined(engine.appliedToGroup(name), appliedToGroupRowOf),
      ),
    },
    publish(changes) {
      version++;
      // Groups first: a policy that arrives finds what it names.
      for (const change of changes.appliedToGroups) watchers.appliedtogroups.tell(announceAppliedToGroup(change));
      for (const change of changes.addressGroups) watchers.addressgroups.tell(announceAddressGroup(change));
      for (const change of changes.policies) watchers.networkpolicies.tell(announcePolicy(change));
    },
    progress(nodes) {
      const mark = progressMarks();
      for (const node of nodes) for (const resource of groupsFirst) watchers[resource].progress(node, mark(resource));
    },
    heartbeat() {
      const mark = progressMarks();
      for (const resource of groupsFirst) watchers[resource].progressToAll(mark(resource));
    },
    get connectedAgents() {
      return watchers.appliedtogroups.size;
    },
  };
}

const policyRowOf = ({ row, span }: PolicyView): Row => ({
  name: row.name,
  span,
  message: () => policyMessage(row),
});

const addressGroupRowOf = (view: AddressGroupView): Row => ({
  name: view.name,
  span: view.span,
  message: () => groupMessage("addressgroups", () => view.group()),
});

const appliedToGroupRowOf = (view: AppliedToGroupView): Row => ({
  name: view.name,
  span: view.span,
  message: (node) => groupMessage("appliedtogroups", () => view.group(node)),
});

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
