import type { KubeObject } from "#lib/kube/types.ts";

const texts = new WeakMap<KubeObject, string>();

/** The object as JSON, for lists: what nobody has needed yet is not kept, or one list of everything would double what the objects take. */
export const passingJsonOf = (object: KubeObject): string => texts.get(object) ?? JSON.stringify(object);

/** The object as JSON. Made once per object: the disk, answers and all watchers share it. Published objects never change. */
export function jsonOf(object: KubeObject): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify(object);
  texts.set(object, text);
  return text;
}
