import {
  type ComputedRevisions,
  type ControlplaneResource,
  controlplaneKinds,
  type Decoded,
  decodeGroup,
  decodeGroupPatch,
  decodeNetworkPolicy,
  type Group,
  type GroupPatch,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import type { KubeObject, WatchEvent } from "#lib/kube/index.ts";
import { UnreadableControllerEvent } from "./errors.ts";

export type GroupResource = Exclude<ControlplaneResource, "networkpolicies">;

/** What a controller says, one event at a time. */
export type ControllerEvent =
  | { readonly type: "policy"; readonly resource: "networkpolicies"; readonly policy: NetworkPolicy }
  | { readonly type: "group"; readonly resource: GroupResource; readonly group: Group }
  | { readonly type: "patch"; readonly resource: GroupResource; readonly patch: GroupPatch }
  | { readonly type: "removed"; readonly resource: ControlplaneResource; readonly name: string }
  /** Everything in `computed` is contained in what was told on this stream before. */
  | { readonly type: "progress"; readonly resource: ControlplaneResource; readonly computed: ComputedRevisions | undefined };

/** Everything that a controller had for this node when it was asked. */
export interface FirstSets {
  readonly policies: readonly NetworkPolicy[];
  readonly addressGroups: readonly Group[];
  readonly appliedToGroups: readonly Group[];
  readonly computed: Readonly<Record<ControlplaneResource, ComputedRevisions | undefined>>;
}

type ObjectEvent = Exclude<WatchEvent<KubeObject>, { readonly type: "ERROR" | "BOOKMARK" }>;

/** What was read of objects that several agents of one process are told: those are frozen, as none of them may change what is every other's. */
const shared = new WeakMap<KubeObject, ControllerEvent>();

/** Reads an event that is no bookmark; of a frozen object once for all that are told it. Throws {@link UnreadableControllerEvent}. */
export function readEvent(resource: ControlplaneResource, event: ObjectEvent): ControllerEvent {
  if (!Object.isFrozen(event.object)) return decodeEvent(resource, event);
  const known = shared.get(event.object) ?? decodeEvent(resource, event);
  shared.set(event.object, known);
  return known;
}

function decodeEvent(resource: ControlplaneResource, { type, object }: ObjectEvent): ControllerEvent {
  if (type === "DELETED") return { type: "removed", resource, name: object.metadata.name ?? "" };
  if (resource === "networkpolicies") return { type: "policy", resource, policy: read(resource, decodeNetworkPolicy(object)) };
  if (type === "MODIFIED" && object.kind === controlplaneKinds[resource].patchKind)
    return { type: "patch", resource, patch: read(resource, decodeGroupPatch(object)) };
  return { type: "group", resource, group: read(resource, decodeGroup(object)) };
}

export function read<Value>(resource: ControlplaneResource, decoded: Decoded<Value>): Value {
  if (!decoded.ok) throw new UnreadableControllerEvent(resource, decoded.path, decoded.reason);
  return decoded.value;
}
