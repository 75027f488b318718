import {
  type ControlplaneResource,
  controlplaneApiVersion,
  controlplaneKinds,
  encodeGroup,
  encodeGroupPatch,
  encodeNetworkPolicy,
  encodeRemovedPolicy,
  type Group,
  type GroupPatch,
  groupRevision,
  initialEventsEndAnnotation,
  type NetworkPolicy,
  policyRevision,
  revisionAnnotation,
} from "#core/api/controlplane/index.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import { once } from "./once.ts";

export type GroupResource = Exclude<ControlplaneResource, "networkpolicies">;

/** An object in the form a client gets it: `marked` is for those that ask for revisions. Made when first needed, then shared by all watchers. */
export interface Message {
  readonly plain: KubeObject;
  readonly marked: KubeObject;
}

export const policyMessage = (policy: NetworkPolicy): Message =>
  message(
    () => encodeNetworkPolicy(policy),
    () => policyRevision(policy),
  );

export const removedPolicyMessage = (policy: NetworkPolicy): Message => message(() => encodeRemovedPolicy(policy));

/** `group` is called at most once, and only when somebody is there to hear. */
export const groupMessage = (resource: GroupResource, group: () => Group): Message => {
  const content = once(group);
  return message(
    () => encodeGroup(resource, content()),
    () => groupRevision(content().members),
  );
};

export type GroupIdentity = Pick<Group, "name" | "uid">;

export const removedGroupMessage = (resource: GroupResource, identity: GroupIdentity): Message =>
  message(() => encodeGroup(resource, { ...identity, members: [] }));

export const patchMessage = (resource: GroupResource, patch: GroupPatch): Message => message(() => encodeGroupPatch(resource, patch));

/** An empty object of the kind, as bookmarks carry it. */
export function bookmark(resource: ControlplaneResource, annotations: Readonly<Record<string, string>> = {}): KubeObject {
  return {
    kind: controlplaneKinds[resource].kind,
    apiVersion: controlplaneApiVersion,
    metadata: Object.keys(annotations).length === 0 ? {} : { annotations },
  };
}

export const initialEventsEnd = { [initialEventsEndAnnotation]: "true" };

function message(encode: () => KubeObject, revision?: () => string): Message {
  const plain = once(() => Object.freeze(encode()));
  const marked = once(() => {
    if (revision === undefined) return plain();
    const object = plain();
    const annotations = { ...object.metadata.annotations, [revisionAnnotation]: revision() };
    return Object.freeze({ ...object, metadata: { ...object.metadata, annotations } });
  });
  return {
    get plain() {
      return plain();
    },
    get marked() {
      return marked();
    },
  };
}
