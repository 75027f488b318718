import {
  controlplaneApiVersion,
  controlplaneGroup,
  controlplaneVersion,
  encodeGroupMember,
  encodePrefix,
  type WireGroupMember,
  type WireIpNet,
} from "#core/api/controlplane/index.ts";
import type { PolicyObjects } from "#core/policy/index.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { nameColumn } from "#lib/apiserver/printing/columns.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import { groupMember, ipNet } from "../controlplane/definitions.ts";
import { pageOf } from "./pagination.ts";

interface Members extends KubeObject {
  readonly effectiveMembers: readonly WireGroupMember[];
  readonly effectiveIPBlocks: readonly WireIpNet[];
  readonly totalMembers: number;
  readonly totalPages: number;
  readonly currentPage: number;
}

/** What requests are answered from. */
export interface QueryOptions {
  readonly objects: PolicyObjects;
  /** Settles when everything that is known has been computed. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
}

/** Who is in a ClusterGroup, `clustergroupmembers/NAME`, or in a Group, `groupmembers/NAME` of its namespace; `?page=` and `?limit=` cut it. */
export function groupMembersDefinitions(options: QueryOptions): ResourceDefinition[] {
  return [
    define(options, { resource: "clustergroupmembers", kind: "ClusterGroupMembers", namespaced: false }),
    define(options, { resource: "groupmembers", kind: "GroupMembers", namespaced: true }),
  ];
}

function define({ objects, ready }: QueryOptions, names: Pick<ResourceDefinition, "resource" | "kind" | "namespaced">): ResourceDefinition {
  const gvk = { group: controlplaneGroup, version: controlplaneVersion, kind: names.kind };
  return defineResource<Members>({
    ...names,
    group: controlplaneGroup,
    version: controlplaneVersion,
    singular: names.resource,
    listKind: `${names.kind}List`,
    verbs: ["get"],
    schema: kindSchema({
      id: `io.antrea.controlplane.v1beta2.${names.kind}`,
      ...gvk,
      description: "Who is in a group at present.",
      fields: {
        effectiveMembers: schema.list(groupMember, "Members of this page, by name."),
        effectiveIPBlocks: schema.list(ipNet, "The group's blocks."),
        totalMembers: schema.int64("Members on all pages."),
        totalPages: schema.int64("Pages of this size."),
        currentPage: schema.int64("This page, from 1."),
      },
    }),
    columns: [
      nameColumn,
      { name: "Members", type: "integer", description: "Members on all pages.", value: ({ totalMembers }) => totalMembers },
      { name: "Blocks", type: "integer", description: "The group's blocks.", value: ({ effectiveIPBlocks }) => effectiveIPBlocks.length },
    ],
    store: {
      async get({ namespace, name }, { signal, parameters }) {
        await ready(signal);
        const key = namespace === "" ? name : `${namespace}/${name}`;
        const content = objects.groupContent(key);
        const members = objects.groupMembers(key);
        if (content === undefined || members === undefined) throw notFound({ group: controlplaneGroup, resource: names.resource }, name);
        if (content.nestingExceeded)
          throw badRequest(`no member can be computed for ${key}: its childGroups must not have childGroups of their own`);
        const { members: shown, ...place } = pageOf(members, parameters);
        return {
          kind: names.kind,
          apiVersion: controlplaneApiVersion,
          metadata: { name, ...(namespace !== "" && { namespace }) },
          effectiveMembers: shown.map(encodeGroupMember),
          effectiveIPBlocks: content.ipBlocks.map(({ cidr }) => encodePrefix(cidr)),
          ...place,
        };
      },
    },
  });
}
