import { statsApiVersion, statsGroup, statsVersion } from "#core/api/stats/names.ts";
import type { MulticastGroupMembers } from "#core/statistics/index.ts";
import { notFound } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { selected } from "./selected.ts";

const resource = "multicastgroups";
const kind = "MulticastGroup";
/** Names of Pods in a column; of the others the number. */
const namesShown = 3;

interface MulticastGroup extends KubeObject {
  /** The group's address. */
  readonly group: string;
  readonly pods: MulticastGroupMembers["pods"];
}

/** Which Pods joined which multicast groups, as agents of the Go implementation tell it with their statistics; those of this one have no multicast yet. */
export class MulticastGroups {
  private readonly byNode = new Map<string, readonly MulticastGroupMembers[]>();

  constructor(nodes: ReadTable<KubeObject>) {
    nodes.subscribe(({ key, after }) => after === undefined && this.byNode.delete(key));
  }

  /** All that there is on a node, in place of what was before. */
  take(node: string, groups: readonly MulticastGroupMembers[]): void {
    if (groups.length === 0) this.byNode.delete(node);
    else this.byNode.set(node, groups);
  }

  /** The kind `multicastgroups`. It is shown by the replica that was told. */
  definition(): ResourceDefinition {
    return defineResource<MulticastGroup>({
      group: statsGroup,
      version: statsVersion,
      resource,
      singular: "multicastgroup",
      kind,
      listKind: `${kind}List`,
      namespaced: false,
      verbs: ["get", "list"],
      schema: kindSchema({
        id: `io.antrea.stats.v1alpha1.${kind}`,
        group: statsGroup,
        version: statsVersion,
        kind,
        description: "Who joined a multicast group.",
        fields: { group: schema.string("Address of the group."), pods: schema.list(pod, "The Pods that joined it, on all nodes.") },
      }),
      columns: [
        { name: "Group", type: "string", format: "name", description: "Address of the group.", value: ({ group }) => group },
        { name: "Pods", type: "string", description: "Pods that joined it.", value: ({ pods }) => namesOf(pods) },
      ],
      store: {
        get: ({ name }) => {
          const found = this.groups().find(({ metadata }) => metadata.name === name);
          if (found === undefined) throw notFound({ group: statsGroup, resource }, name);
          return found;
        },
        list: (selection) => ({ resourceVersion: "0", items: selected(this.groups(), selection) }),
      },
    });
  }

  private groups(): MulticastGroup[] {
    const members = new Map<string, Pod[]>();
    for (const groups of this.byNode.values())
      for (const { group, pods } of groups) {
        const known = members.get(group);
        if (known === undefined) members.set(group, [...pods]);
        else known.push(...pods);
      }
    return [...members].map(([group, pods]) => ({
      kind,
      apiVersion: statsApiVersion,
      metadata: { name: group },
      group,
      pods: pods.sort((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1)),
    }));
  }
}

type Pod = MulticastGroupMembers["pods"][number];

const placeOf = ({ namespace, name }: Pod): string => `${namespace}/${name}`;

function namesOf(pods: readonly Pod[]): string {
  if (pods.length === 0) return "<none>";
  const names = pods.slice(0, namesShown).map(placeOf);
  const more = pods.length - names.length;
  return `${names.join(",")}${more > 0 ? ` + ${more} more...` : ""}`;
}

const pod = schema.part("io.antrea.stats.v1alpha1.PodReference", "A Pod.", {
  name: schema.string("Its name."),
  namespace: schema.string("Its namespace."),
});
