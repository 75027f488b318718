import { isDeepStrictEqual } from "node:util";
import { type ExternalEntity, type ExternalNode, externalNodeKind } from "#core/api/antrea/external-entity.ts";
import { externalEntities } from "#core/api/antrea/resources.ts";
import { createWorkqueue, isNotFound, type KubeClient, keyOf, type LeaseHold, nameOfKey, type Reflection } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import { entityOf } from "./entity-of.ts";

/** Keeps one ExternalEntity for each ExternalNode, as its node says, and deletes those whose node is gone or has another interface. */
export function keepEntities(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  /** Only its holder writes. */
  readonly lease: Pick<LeaseHold, "held" | "onGained">;
  readonly nodes: Reflection<ExternalNode>;
  readonly entities: Reflection<ExternalEntity>;
  readonly signal: AbortSignal;
}): void {
  const { runtime, client, lease, nodes, entities, signal } = options;
  /** Keys of the entities of each node, by the node's key. */
  const owned = new Map<string, Set<string>>();

  const keep = async (nodeKey: string): Promise<void> => {
    // Before all is known nothing is stale.
    if (!lease.held || nodes.resourceVersion === undefined || entities.resourceVersion === undefined) return;
    const node = nodes.get(nodeKey);
    const wanted = node === undefined ? undefined : entityOf(node);
    const wantedKey = wanted === undefined ? undefined : keyOf(wanted);
    if (wanted !== undefined && wantedKey !== undefined) {
      const present = entities.get(wantedKey);
      if (present === undefined) await client.create(externalEntities, wanted);
      else if (!isSame(present, wanted)) await client.update(externalEntities, asWanted(present, wanted));
    }
    for (const key of owned.get(nodeKey) ?? [])
      if (key !== wantedKey)
        await client.delete(externalEntities, nameOfKey(key)).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
  };
  const queue = createWorkqueue({ runtime, name: "keep-external-entities", signal, work: keep });
  const keepAll = (): void => {
    for (const node of nodes.rows()) queue.add(keyOf(node));
    for (const key of owned.keys()) queue.add(key);
  };

  entities.subscribe(
    ({ key, before, after }) => {
      const former = before === undefined ? undefined : ownerOf(before);
      const owner = after === undefined ? undefined : ownerOf(after);
      if (former !== undefined && former !== owner) {
        owned.get(former)?.delete(key);
        if (owned.get(former)?.size === 0) owned.delete(former);
      }
      if (owner !== undefined) owned.set(owner, (owned.get(owner) ?? new Set()).add(key));
      for (const node of new Set([former, owner])) if (node !== undefined) queue.add(node);
    },
    { replay: true },
  );
  nodes.subscribe(({ key }) => queue.add(key), { replay: true });
  lease.onGained(keepAll);
  void Promise.all([nodes.whenSynced(), entities.whenSynced()]).then(keepAll);
}

/** The key of the ExternalNode that the entity stands for; undefined: somebody wrote it. */
function ownerOf({ metadata: { namespace = "", ownerReferences } }: ExternalEntity): string | undefined {
  const owner = ownerReferences?.[0];
  return owner?.kind === externalNodeKind ? `${namespace}/${owner.name}` : undefined;
}

const isSame = (present: ExternalEntity, wanted: ExternalEntity): boolean =>
  isDeepStrictEqual(present.spec, wanted.spec) &&
  isDeepStrictEqual(present.metadata.labels ?? {}, wanted.metadata.labels ?? {}) &&
  present.metadata.ownerReferences?.[0]?.uid === wanted.metadata.ownerReferences?.[0]?.uid;

function asWanted({ metadata, ...present }: ExternalEntity, { metadata: wanted, spec }: ExternalEntity): ExternalEntity {
  const { labels: _, ...rest } = metadata;
  return {
    ...present,
    metadata: { ...rest, ...(wanted.labels && { labels: wanted.labels }), ownerReferences: wanted.ownerReferences ?? [] },
    ...(spec && { spec }),
  };
}
