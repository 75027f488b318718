import { type Reflection, reflect } from "#lib/kube/reflector.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { type ControllerContext, everyIndex, type Followed } from "./cluster.ts";

interface Definition extends KubeObject {
  readonly spec?: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly plural: string; readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean; readonly storage: boolean }[];
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const definitions: Resource<Definition> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

/** Reflects the metadata of every custom kind that is served, from its definition on and as long as that is there. */
export function followCustomKinds(
  { runtime, client, signal }: Pick<ControllerContext, "runtime" | "client" | "signal">,
  heard: { readonly begins: (followed: Followed) => void; readonly ends: (followed: Followed) => void },
): void {
  const followed = new Map<string, Followed & { readonly stop: AbortController }>();
  const end = (name: string): void => {
    const one = followed.get(name);
    if (one === undefined) return;
    followed.delete(name);
    one.stop.abort();
    heard.ends(one);
  };
  const begin = (name: string, resource: Resource<KubeObject>): void => {
    const present = followed.get(name)?.resource;
    if (present?.version === resource.version && present.kind === resource.kind) return;
    end(name);
    const stop = new AbortController();
    const table: Reflection<KubeObject> = reflect({
      ...{ runtime, client, resource, indexes: everyIndex, mayBeAbsent: true },
      // Of a kind that anybody may fill, only what owners and their dependents know of each other.
      transform: ({ metadata }) => ({ metadata }),
      signal: AbortSignal.any([signal, stop.signal]),
    });
    const one = { resource, table, stop };
    followed.set(name, one);
    heard.begins(one);
  };
  reflect<Definition>({ runtime, client, resource: definitions, mayBeAbsent: true, signal }).subscribe(
    ({ key, after }) => {
      const resource = after === undefined ? undefined : servedKind(after);
      if (resource === undefined) end(key);
      else begin(key, resource);
    },
    { replay: true },
  );
}

/** The kind in one of its versions, the stored one before others; undefined while it is not served. */
function servedKind({ spec, status }: Definition): Resource<KubeObject> | undefined {
  const established = status?.conditions?.some((condition) => condition.type === "Established" && condition.status === "True") ?? false;
  const served = spec?.versions.filter((version) => version.served) ?? [];
  const version = served.find(({ storage }) => storage) ?? served[0];
  if (!established || spec === undefined || version === undefined) return undefined;
  const { group, scope, names } = spec;
  return { group, version: version.name, plural: names.plural, kind: names.kind, namespaced: scope === "Namespaced" };
}
