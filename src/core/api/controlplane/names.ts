/** The aggregated API through which controllers hand computed policies to agents. */
export const controlplaneGroup = "controlplane.antrea.io";
export const controlplaneVersion = "v1beta2";
export const controlplaneApiVersion = `${controlplaneGroup}/${controlplaneVersion}`;

/** The three resources an agent follows, by plural name. */
export const controlplaneResources = ["networkpolicies", "addressgroups", "appliedtogroups"] as const;
export type ControlplaneResource = (typeof controlplaneResources)[number];

/** Kind of a full object, and of a change to one where that has a kind of its own, per resource. */
export const controlplaneKinds: Readonly<Record<ControlplaneResource, { readonly kind: string; readonly patchKind?: string }>> = {
  networkpolicies: { kind: "NetworkPolicy" },
  addressgroups: { kind: "AddressGroup", patchKind: "AddressGroupPatch" },
  appliedtogroups: { kind: "AppliedToGroup", patchKind: "AppliedToGroupPatch" },
};

/**
 * Query parameter of a watch by which a client asks for {@link revisionAnnotation}, {@link computedAnnotation} and progress bookmarks:
 * `?antreaProgress=true`. A server that does not know it ignores it; see docs/design/controller.md.
 */
export const progressParameter = "antreaProgress";

/**
 * Query parameter of a watch by which a client asks for a bookmark each so many milliseconds, as a sign of life: `?antreaHeartbeat=200`. Counts beside
 * {@link progressParameter}. What the server makes of it stands in {@link heartbeatAnnotation}.
 */
export const heartbeatParameter = "antreaHeartbeat";

/** On bookmarks of a watch with a heartbeat: milliseconds until the next at the latest. */
export const heartbeatAnnotation = "controlplane.antrea.io/heartbeat";

/**
 * Query parameter of a watch by which an agent asks for {@link changeAnnotation}: `?antreaChanges=true`. Counts beside {@link progressParameter}, and makes
 * sense when all three resources are watched so.
 */
export const changesParameter = "antreaChanges";

/** On bookmarks that end a change, on all three watches of a node that was told something of it, and on the first of each: a ChangeMark. */
export const changeAnnotation = "controlplane.antrea.io/change";

/** On full objects: hash of the content, equal on all controllers that saw the same input. See `policyRevision` and `groupRevision`. */
export const revisionAnnotation = "controlplane.antrea.io/revision";

/** On bookmarks: JSON of ComputedRevisions. */
export const computedAnnotation = "controlplane.antrea.io/computed";

/**
 * On a policy that is only staged: JSON of its `rules` and `appliedToGroups`, which are empty where they otherwise stand. So an agent that knows nothing of staging
 * enforces nothing of it.
 */
export const stagedAnnotation = "controlplane.antrea.io/staged";

/** On a policy whose namespace asks that clients be told of what it denies: `Reject`. */
export const deniedAnnotation = "controlplane.antrea.io/denied";

/** Annotation by which every Kubernetes server marks the bookmark that ends the initial events. */
export const initialEventsEndAnnotation = "k8s.io/initial-events-end";
