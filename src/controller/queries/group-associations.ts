import { controlplaneApiVersion, controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { badRequest } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { nameColumn } from "#lib/apiserver/printing/columns.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import { tryParseAddress } from "#lib/ip/index.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { QueryOptions } from "./group-members.ts";

interface Association extends KubeObject {
  readonly associatedGroups: readonly { readonly namespace?: string; readonly name: string; readonly uid: string }[];
}

/** The groups that somebody is in: `groupassociations/NAME` of a Pod or ExternalEntity, `ipgroupassociations/ADDRESS` of what has an address. */
export function groupAssociationDefinitions({ objects, ready }: QueryOptions): ResourceDefinition[] {
  return [
    define({ resource: "groupassociations", kind: "GroupAssociation", namespaced: true }, async ({ namespace, name }, signal) => {
      await ready(signal);
      const key = `${namespace}/${name}`;
      return [...objects.groupsOf("Pod", key), ...objects.groupsOf("ExternalEntity", key)];
    }),
    define({ resource: "ipgroupassociations", kind: "IPGroupAssociation", namespaced: false }, async ({ name }, signal) => {
      const address = tryParseAddress(name);
      if (address === undefined) throw badRequest("not a valid IP address");
      await ready(signal);
      const entities = objects.engine.entitiesAt(address);
      return [...entities.flatMap(({ kind, key }) => objects.groupsOf(kind, key)), ...objects.groupsOfAddress(address)];
    }),
  ];

  function define(
    names: Pick<ResourceDefinition, "resource" | "kind" | "namespaced">,
    find: (key: { readonly namespace: string; readonly name: string }, signal: AbortSignal) => Promise<readonly string[]>,
  ): ResourceDefinition {
    const gvk = { group: controlplaneGroup, version: controlplaneVersion, kind: names.kind };
    return defineResource<Association>({
      ...names,
      group: controlplaneGroup,
      version: controlplaneVersion,
      singular: names.kind.toLowerCase(),
      listKind: `${names.kind}List`,
      verbs: ["get"],
      nameRule: "path-segment",
      schema: kindSchema({
        id: `io.antrea.controlplane.v1beta2.${names.kind}`,
        ...gvk,
        description: "The groups that something is in.",
        fields: { associatedGroups: schema.list(groupReference, "ClusterGroups and Groups.") },
      }),
      columns: [
        nameColumn,
        {
          name: "Groups",
          type: "string",
          description: "ClusterGroups and Groups.",
          value: ({ associatedGroups }) =>
            associatedGroups.map(({ namespace, name }) => (namespace === undefined ? name : `${namespace}/${name}`)).join(","),
        },
      ],
      store: {
        async get(key, { signal }) {
          const found = new Set(await find(key, signal));
          return {
            kind: names.kind,
            apiVersion: controlplaneApiVersion,
            metadata: { name: key.name, ...(key.namespace !== "" && { namespace: key.namespace }) },
            associatedGroups: [...found].sort().map(reference),
          };
        },
      },
    });
  }

  function reference(key: string): Association["associatedGroups"][number] {
    const [name = "", namespace] = key.split("/").toReversed();
    return { ...(namespace !== undefined && { namespace }), name, uid: objects.groupContent(key)?.uid ?? "" };
  }
}

const groupReference = schema.part("io.antrea.controlplane.v1beta2.GroupReference", "A ClusterGroup or Group.", {
  namespace: schema.string("Namespace of a Group; absent for a ClusterGroup."),
  name: schema.string("Name."),
  uid: schema.string("UID."),
});
