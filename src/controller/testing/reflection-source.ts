import { keyOf, type KubeObject, type Reflection } from "#lib/kube/index.ts";
import { RowTable } from "#lib/table/table.ts";

/** A reflection whose content and progress a test says. */
export function reflectionSource<Kind extends KubeObject>(name: string) {
  const table = new RowTable<Kind>({ name, key: keyOf });
  const listed = table.initializer("list");
  const listeners = new Set<(version: string) => void>();
  const progress = (version: string): void => listeners.forEach((listener) => void listener(version));
  const reflection: Reflection<Kind> = Object.assign(table, {
    resourceVersion: undefined,
    problem: undefined,
    onProgress(listener: (version: string) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  });
  return {
    reflection,
    upsert: (object: Kind) => table.upsert(object),
    progress,
    list(version?: string) {
      if (version !== undefined) progress(version);
      listed();
    },
  };
}
