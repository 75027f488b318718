import { parseAccept } from "../http/negotiation.ts";
import type { ApiResource, GroupVersion } from "./resource-list.ts";

const aggregatedKind = "APIGroupDiscoveryList";
const aggregatedGroup = "apidiscovery.k8s.io";

export type AggregatedVersion = "v2" | "v2beta1";

/** The version of aggregated discovery that the client prefers to plain JSON; undefined when it does not know of it. */
export function aggregatedDiscoveryVersion(accept: string | undefined): AggregatedVersion | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== "application/json") continue;
    const { g, v, as } = parameters;
    if (as === undefined) return undefined;
    if (g === aggregatedGroup && as === aggregatedKind && (v === "v2" || v === "v2beta1")) return v;
  }
  return undefined;
}

export const aggregatedMediaType = (version: AggregatedVersion): string =>
  `application/json;g=${aggregatedGroup};v=${version};as=${aggregatedKind}`;

/** The kinds of one group version; `stale` when a server behind this one does not answer. */
export interface DiscoveredVersion extends GroupVersion {
  readonly resources: readonly ApiResource[];
  readonly stale?: boolean;
}

/** All groups with all their kinds in one answer (`apidiscovery.k8s.io`). */
export function aggregatedDiscovery(version: AggregatedVersion, versions: readonly DiscoveredVersion[]) {
  const groups = [...new Set(versions.map(({ group }) => group))];
  return {
    kind: aggregatedKind,
    apiVersion: `${aggregatedGroup}/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: group === "" ? {} : { name: group },
      versions: versions
        .filter((one) => one.group === group)
        .map((one) => ({
          version: one.version,
          resources: discoveredResources(one),
          freshness: one.stale ? "Stale" : "Current",
        })),
    })),
  };
}

function discoveredResources({ resources, group, version }: DiscoveredVersion) {
  const mains = resources.filter(({ name }) => !name.includes("/"));
  const kindOf = (one: ApiResource) => ({ group: one.group ?? group, version: one.version ?? version, kind: one.kind });
  return mains.map((main) => ({
    resource: main.name,
    responseKind: kindOf(main),
    scope: main.namespaced ? "Namespaced" : "Cluster",
    singularResource: main.singularName,
    verbs: main.verbs,
    ...(main.shortNames === undefined ? {} : { shortNames: main.shortNames }),
    ...(main.categories === undefined ? {} : { categories: main.categories }),
    subresources: resources
      .filter(({ name }) => name.startsWith(`${main.name}/`))
      .map((sub) => ({ subresource: sub.name.slice(main.name.length + 1), responseKind: kindOf(sub), verbs: sub.verbs })),
  }));
}
