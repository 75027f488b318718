import type { Pod } from "#lib/kube/index.ts";

/** Pods that can be asked: on a node, with an address, and not being deleted. In an order that follows from what happened alone. */
export interface RunningPods {
  readonly all: readonly Pod[];
  onNode(name: string): readonly Pod[];
  /** What is known of a pod by now; undefined: it is gone. Costs the same among ten and among a hundred thousand. */
  note(key: string, pod: Pod | undefined): void;
}

/** A list in which the last takes the place of one that goes. */
interface Filed {
  readonly pods: Pod[];
  readonly keys: string[];
  readonly placeOf: Map<string, number>;
}

export function createRunningPods(): RunningPods {
  const all = newList();
  const byNode = new Map<string, Filed>();
  const nodeOf = new Map<string, string>();
  return {
    all: all.pods,
    onNode: (name) => byNode.get(name)?.pods ?? [],
    note(key, pod) {
      const node = pod !== undefined && canBeAsked(pod) ? pod.spec.nodeName : undefined;
      const before = nodeOf.get(key);
      if (before !== undefined && before !== node) remove(byNode.get(before), key);
      if (pod === undefined || node === undefined) {
        nodeOf.delete(key);
        remove(all, key);
        return;
      }
      const here = byNode.get(node) ?? newList();
      byNode.set(node, here);
      nodeOf.set(key, node);
      for (const list of [all, here]) put(list, key, pod);
    },
  };
}

const canBeAsked = ({ spec, status, metadata }: Pod): boolean =>
  Boolean(spec.nodeName && status?.podIPs?.length && metadata.deletionTimestamp === undefined);

const newList = (): Filed => ({ pods: [], keys: [], placeOf: new Map() });

function put({ pods, keys, placeOf }: Filed, key: string, pod: Pod): void {
  const place = placeOf.get(key) ?? pods.length;
  placeOf.set(key, place);
  pods[place] = pod;
  keys[place] = key;
}

function remove(list: Filed | undefined, key: string): void {
  const place = list?.placeOf.get(key);
  if (list === undefined || place === undefined) return;
  const { pods, keys, placeOf } = list;
  const [lastPod, lastKey] = [pods.pop(), keys.pop()];
  placeOf.delete(key);
  if (lastPod === undefined || lastKey === undefined || lastKey === key) return;
  pods[place] = lastPod;
  keys[place] = lastKey;
  placeOf.set(lastKey, place);
}
