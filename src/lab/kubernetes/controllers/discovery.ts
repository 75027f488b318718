import type { KubeClient } from "#lib/kube/client.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";

interface ResourceList {
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

interface GroupList {
  readonly groups?: readonly { readonly name: string; readonly preferredVersion?: { readonly version: string } }[];
}

/** Namespaced kinds that can be listed and deleted, as the API says now. Groups that do not answer are named in `silent`. */
export async function deletableKinds(
  client: KubeClient,
): Promise<{ readonly kinds: readonly Resource<KubeObject>[]; readonly silent: readonly string[] }> {
  const { groups = [] } = (await client.json({ method: "GET", path: "/apis" })) as GroupList;
  const versions = [
    { group: "", version: "v1" },
    ...groups.map(({ name, preferredVersion }) => ({ group: name, version: preferredVersion?.version ?? "v1" })),
  ];
  const answers = await Promise.all(
    versions.map(async ({ group, version }) => {
      try {
        const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
        const { resources = [] } = (await client.json({ method: "GET", path })) as ResourceList;
        const kinds = resources
          .filter(({ name, namespaced, verbs }) => namespaced && !name.includes("/") && verbs.includes("list") && verbs.includes("delete"))
          .map(({ name, kind }): Resource<KubeObject> => ({ group, version, plural: name, kind, namespaced: true }));
        return { kinds, silent: [] };
      } catch {
        return { kinds: [], silent: [`${group}/${version}`] };
      }
    }),
  );
  return { kinds: answers.flatMap(({ kinds }) => kinds), silent: answers.flatMap(({ silent }) => silent) };
}
