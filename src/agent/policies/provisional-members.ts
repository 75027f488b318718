import { isDeepStrictEqual } from "node:util";
import {
  type ComputedRevisions,
  type Group,
  type GroupMember,
  type GroupPatch,
  isOlder,
  isResourceVersion,
  type NamespacedName,
} from "#core/api/controlplane/index.ts";
import { portsOf } from "#core/policy/rows.ts";
import type { Pod } from "#lib/kube/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** Pods that were deleted and may come again under their name, as those of StatefulSets do: more than a node runs. */
const departedAtMost = 1_000;

/** What selectors may ask of a pod, and since which resourceVersion it is so. */
interface Selectable {
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccountName: string | undefined;
  readonly since: string;
}

interface Provisional {
  readonly resourceVersion: string;
  readonly member: GroupMember;
  /** Names of the groups that it is in. */
  readonly groups: ReadonlySet<string>;
  /** Groups of which a controller has told since that the pod is in them. */
  readonly told: Set<string>;
}

export interface ProvisionalMembersOptions {
  /** Pods of this node. */
  readonly pods: ReadTable<Pod>;
  /** The groups as they are in force. */
  readonly appliedToGroups: () => readonly Group[];
  /** How much of the cluster they contain. */
  readonly computed: () => ComputedRevisions | undefined;
}

/**
 * Subjects of policies while no controller tells them: a new pod is in the groups of its *twin*, a pod of this node and namespace with equal labels and service account that
 * a controller has computed, as no selector can tell the two apart. The pod that had its name before may be the twin. As peer it is in no group: other nodes hear nothing of it.
 */
export class ProvisionalMembers {
  private readonly options: ProvisionalMembersOptions;
  private readonly selectable = new Map<string, Selectable>();
  /** Of {@link selectable}, pods that are gone: oldest first. */
  private readonly departed = new Set<string>();
  private readonly provisional = new Map<string, Provisional>();

  constructor(options: ProvisionalMembersOptions) {
    this.options = options;
    options.pods.subscribe(({ key, after }) => this.note(key, after), { replay: true });
  }

  /** Whether there are pods that no controller has computed yet. */
  get isWaiting(): boolean {
    return this.provisional.size > 0;
  }

  /** Whether the pod has a twin. */
  knows({ namespace, name }: NamespacedName): boolean {
    const key = `${namespace}/${name}`;
    return this.options.pods.get(key) !== undefined && this.twinOf(key) !== undefined;
  }

  /** The changes that put a pod in the groups of its twin, and in no others; undefined when it has none. They are to be applied at once. */
  take({ namespace, name }: NamespacedName): readonly GroupPatch[] | undefined {
    const key = `${namespace}/${name}`;
    const pod = this.options.pods.get(key);
    const resourceVersion = pod?.metadata.resourceVersion;
    const twin = this.twinOf(key);
    if (pod === undefined || resourceVersion === undefined || twin === undefined) return undefined;
    const present = this.options.appliedToGroups();
    const groups = new Set(present.filter(({ members }) => members.some(isPod(twin))).map((group) => group.name));
    const member: GroupMember = { pod: { namespace, name }, ips: [], ports: portsOf(pod) };
    this.provisional.set(key, { resourceVersion, member, groups, told: new Set() });
    return present.flatMap((group) => {
      const former = group.members.filter(isPod(key));
      const isIn = groups.has(group.name);
      if (isIn ? key === twin : former.length === 0) return [];
      return [{ name: group.name, uid: group.uid, added: isIn ? [member] : [], removed: former }];
    });
  }

  /** A group as a controller tells it, with the pods that it cannot know yet. */
  listed(group: Group): Group {
    const added: GroupMember[] = [];
    for (const [key, { member, groups, told }] of this.provisional)
      if (group.members.some(isPod(key))) told.add(group.name);
      else {
        told.delete(group.name);
        if (groups.has(group.name)) added.push(member);
      }
    return added.length === 0 ? group : { ...group, members: [...group.members, ...added] };
  }

  /** A change as a controller tells it; who is told to leave was the former pod of that name, where the present one cannot be known yet. */
  changed(patch: GroupPatch): GroupPatch {
    let { removed } = patch;
    for (const [key, { groups, told }] of this.provisional) {
      const is = isPod(key);
      if (removed.some(is)) {
        told.delete(patch.name);
        if (groups.has(patch.name)) removed = removed.filter((member) => !is(member));
      }
      if (patch.added.some(is)) told.add(patch.name);
    }
    return removed === patch.removed ? patch : { ...patch, removed };
  }

  /**
   * Forgets pods that `hasPods` says are computed: what the controller told of them counts alone. Returns the changes that take away what it did not tell.
   */
  settle(hasPods: (resourceVersion: string) => boolean): readonly GroupPatch[] {
    if (this.provisional.size === 0) return [];
    const over = [...this.provisional].filter(([, { resourceVersion }]) => hasPods(resourceVersion));
    if (over.length === 0) return [];
    for (const [key] of over) this.provisional.delete(key);
    return this.options.appliedToGroups().flatMap(({ name, uid, members }) => {
      const untold = over.filter(([, { groups, told }]) => groups.has(name) && !told.has(name)).map(([key]) => key);
      const removed = members.filter((member) => untold.some((key) => isPod(key)(member)));
      return removed.length === 0 ? [] : [{ name, uid, added: [], removed }];
    });
  }

  private note(key: string, pod: Pod | undefined): void {
    this.departed.delete(key);
    if (pod === undefined) {
      this.departed.add(key);
      const [oldest] = this.departed;
      if (this.departed.size <= departedAtMost || oldest === undefined) return;
      this.departed.delete(oldest);
      this.selectable.delete(oldest);
      return;
    }
    const { labels = {}, resourceVersion = "" } = pod.metadata;
    const { serviceAccountName, hostNetwork = false } = pod.spec;
    const before = this.selectable.get(key);
    const isSame = before?.serviceAccountName === serviceAccountName && isDeepStrictEqual(before?.labels, labels);
    // A pod on the node's own network is no subject.
    if (hostNetwork) this.selectable.delete(key);
    else if (!isSame) this.selectable.set(key, { labels, serviceAccountName, since: resourceVersion });
  }

  /** A pod that no selector can tell from this one, in the groups that it had when a controller computed it. */
  private twinOf(key: string): string | undefined {
    const wanted = this.selectable.get(key);
    const computed = this.options.computed()?.pods;
    if (wanted === undefined || computed === undefined || !isResourceVersion(computed)) return undefined;
    const namespace = key.slice(0, key.indexOf("/") + 1);
    for (const [candidate, { labels, serviceAccountName, since }] of this.selectable)
      if (
        candidate.startsWith(namespace) &&
        isResourceVersion(since) &&
        !isOlder(computed, since) &&
        serviceAccountName === wanted.serviceAccountName &&
        isDeepStrictEqual(labels, wanted.labels) &&
        this.isJudged(candidate)
      )
        return candidate;
    return undefined;
  }

  /** Whether its groups are those of a pod that is there. Who is in none may have left them all, unless it goes on living. */
  private isJudged(key: string): boolean {
    if (this.options.appliedToGroups().some(({ members }) => members.some(isPod(key)))) return true;
    const { metadata, status } = this.options.pods.get(key) ?? {};
    return (
      metadata !== undefined && metadata.deletionTimestamp === undefined && status?.phase !== "Succeeded" && status?.phase !== "Failed"
    );
  }
}

const keyOf = ({ pod }: GroupMember): string => `${pod?.namespace}/${pod?.name}`;
const isPod =
  (key: string) =>
  (member: GroupMember): boolean =>
    member.pod !== undefined && keyOf(member) === key;
