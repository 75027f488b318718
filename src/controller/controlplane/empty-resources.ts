import { controlplaneApiVersion, controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { ResourceStore } from "#lib/apiserver/resource-store.ts";
import { groupMembersField } from "./definitions.ts";
import { initialEventsEnd } from "./messages.ts";

/**
 * Kinds that agents of the Go implementation watch and this controller has nothing of yet: Egress, and support bundles. Agents are told so, instead of
 * asking for ever.
 */
export const emptyDefinitions: readonly ResourceDefinition[] = [
  empty({
    resource: "egressgroups",
    singular: "egressgroup",
    kind: "EgressGroup",
    description: "Pods that an Egress applies to. There are none yet.",
    fields: { groupMembers: groupMembersField },
  }),
  empty({
    resource: "supportbundlecollections",
    singular: "supportbundlecollection",
    kind: "SupportBundleCollection",
    description: "A collection of support bundles in progress. There are none yet.",
    fields: { sinceTime: schema.string("How far back, such as 2h.") },
  }),
];

interface EmptyKind extends Pick<ResourceDefinition, "resource" | "singular" | "kind"> {
  readonly description: string;
  readonly fields: Readonly<Record<string, JsonSchema>>;
}

function empty({ description, fields, ...names }: EmptyKind): ResourceDefinition {
  const gvk = { group: controlplaneGroup, version: controlplaneVersion, kind: names.kind };
  return defineResource({
    ...names,
    group: controlplaneGroup,
    version: controlplaneVersion,
    listKind: `${names.kind}List`,
    namespaced: false,
    verbs: ["get", "list", "watch"],
    selectableFields: { nodeName: () => "" },
    schema: kindSchema({ id: `io.antrea.controlplane.v1beta2.${names.kind}`, ...gvk, description, fields }),
    store: emptyStore(names),
  });
}

function emptyStore({ resource, kind }: Pick<ResourceDefinition, "resource" | "kind">): ResourceStore {
  return {
    get({ name }) {
      throw notFound({ group: controlplaneGroup, resource }, name);
    },
    list: () => ({ resourceVersion: "0", items: [] }),
    watch({ fieldSelector, sendInitialEvents }, sink) {
      for (const { path } of fieldSelector)
        if (path !== "nodeName" && path !== "metadata.name") throw badRequest(`field label not supported: ${path}`);
      const metadata = sendInitialEvents ? { annotations: initialEventsEnd } : {};
      sink.send({ type: "BOOKMARK", object: { kind, apiVersion: controlplaneApiVersion, metadata } });
      return () => {};
    },
  };
}
