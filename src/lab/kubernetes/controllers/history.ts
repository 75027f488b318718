import { isAlreadyExists, isNotFound } from "#lib/kube/errors.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { same } from "../kinds/rules.ts";
import { type ControllerRevision, controllerRevisions, type PodTemplate } from "../kinds/workload/types.ts";
import type { ControllerContext } from "./cluster.ts";
import { lastApplied, templateHash } from "./deployment/revision.ts";
import { controllerOf, controllerReference } from "./owners.ts";
import { until } from "./until.ts";

/** What has a history: a StatefulSet or a DaemonSet. */
export interface Historied extends KubeObject {
  readonly spec: { readonly template: PodTemplate; readonly revisionHistoryLimit?: number };
}

/** The revision of the present template, and all that are kept, the oldest first. */
export interface History {
  readonly present: ControllerRevision;
  readonly all: readonly ControllerRevision[];
}

/** What `kubectl rollout undo` sends: all of the template is what it was. Fields are in the order in which Go writes them, as clients compare bytes. */
const patchTo = (template: PodTemplate): { readonly spec: { readonly template: PodTemplate & { readonly $patch: string } } } =>
  inOrderOfNames({ spec: { template: { ...template, $patch: "replace" } } });

function inOrderOfNames<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(inOrderOfNames) as Value;
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(fields.map(([name, inner]) => [name, inOrderOfNames(inner)])) as Value;
}

/** The template that a revision keeps. */
export function templateOf({ data }: ControllerRevision): PodTemplate {
  const { $patch: _directive, ...template } = data?.spec?.template ?? { spec: { containers: [] } };
  return template;
}

/** The letters by which pods of the template are told from others: what the revision's name adds to its owner's. */
export const hashOf = (owner: KubeObject, revision: ControllerRevision): string =>
  (revision.metadata.name ?? "").slice((owner.metadata.name ?? "").length + 1);

/** Under which label a revision tells its hash, where it is not the usual one. */
const hashLabels: Readonly<Record<string, string>> = { DaemonSet: "controller-revision-hash" };

/** A hash may be taken by another template so often before something is wrong. */
const hashAttempts = 8;

/**
 * Keeps the history of `owner`: one revision for each template it had, the present one the newest, and no more than `revisionHistoryLimit` (10) that
 * `inUse` does not name, by hash. An older template that is the present one again is moved to the end, as its name is that of pods.
 */
export async function keepHistory<Owner extends Historied>(
  context: ControllerContext,
  options: { readonly resource: Resource<Owner>; readonly owner: Owner; readonly inUse: (hash: string) => boolean },
): Promise<History> {
  const { client, cluster } = context;
  const { resource, owner, inUse } = options;
  const kept = cluster.controllerRevisions
    .by("owner", owner.metadata.uid ?? "")
    .filter((one) => controllerOf(one)?.uid === owner.metadata.uid && one.metadata.deletionTimestamp === undefined)
    .toSorted((left, right) => left.revision - right.revision);
  const newest = kept.at(-1);
  const data = patchTo(owner.spec.template);
  const known = kept.findLast((one) => same(one.data, data));
  const revision = (newest?.revision ?? 0) + 1;
  const present =
    known === undefined
      ? await create(context, { resource, owner, revision })
      : known === newest
        ? known
        : await client.patch(controllerRevisions, nameIn(owner, known), { revision });
  const older = kept.filter(({ metadata }) => metadata.uid !== present.metadata.uid);
  const unused = older.filter((one) => !inUse(hashOf(owner, one)));
  const surplus = unused.slice(0, Math.max(0, unused.length - (owner.spec.revisionHistoryLimit ?? 10)));
  for (const one of surplus)
    await client.delete(controllerRevisions, nameIn(owner, one), { preconditions: { uid: one.metadata.uid ?? "" } }).catch(unlessGone);
  const key = `${owner.metadata.namespace}/${present.metadata.name}`;
  await until(context, cluster.controllerRevisions, () => cluster.controllerRevisions.get(key)?.revision === present.revision);
  return { present, all: [...older.filter((one) => !surplus.includes(one)), present] };
}

async function create<Owner extends Historied>(
  { client }: ControllerContext,
  { resource, owner, revision }: { readonly resource: Resource<Owner>; readonly owner: Owner; readonly revision: number },
): Promise<ControllerRevision> {
  const { template } = owner.spec;
  const { name = "", namespace = "", annotations = {} } = owner.metadata;
  // The reason of a change (`kubernetes.io/change-cause`) stands in an annotation.
  const { [lastApplied]: _applied, ...copied } = annotations;
  for (let attempt = 0; ; attempt++) {
    const hash = templateHash(template, attempt);
    const metadata = {
      name: `${name}-${hash}`,
      namespace,
      labels: { ...template.metadata?.labels, [hashLabels[resource.kind] ?? "controller.kubernetes.io/hash"]: hash },
      annotations: copied,
      ownerReferences: [controllerReference(resource, owner)],
    };
    try {
      return await client.create(controllerRevisions, { metadata, data: patchTo(template), revision });
    } catch (error) {
      if (!isAlreadyExists(error) || attempt === hashAttempts) throw error;
      // Made by this controller before it was started anew, or somebody else's of the same name.
      const there = await client.get(controllerRevisions, { namespace, name: metadata.name });
      if (controllerOf(there)?.uid === owner.metadata.uid && same(there.data, patchTo(template))) return there;
    }
  }
}

const nameIn = (owner: KubeObject, { metadata }: ControllerRevision) => ({
  namespace: owner.metadata.namespace ?? "",
  name: metadata.name ?? "",
});

function unlessGone(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
