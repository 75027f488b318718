import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { decodeSummary, encodeSummary, type NodeSummary } from "#core/statistics/index.ts";
import { badRequest } from "#lib/apiserver/errors.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { KubeObject } from "#lib/kube/index.ts";

const kind = "NodeStatsSummary";

/**
 * `nodestatssummaries`, which agents create and nobody reads. The answer is what was taken of it: an agent so learns which policies there are no more.
 * `take` throws for what is refused.
 */
export function summariesDefinition(
  take: (summary: NodeSummary, user: UserInfo, signal: AbortSignal) => Promise<NodeSummary>,
): ResourceDefinition {
  return defineResource<KubeObject>({
    group: controlplaneGroup,
    version: controlplaneVersion,
    resource: "nodestatssummaries",
    singular: "nodestatssummary",
    kind,
    listKind: `${kind}List`,
    namespaced: false,
    verbs: ["create"],
    transient: true,
    schema: {
      ...kindSchema({
        id: `io.antrea.controlplane.v1beta2.${kind}`,
        group: controlplaneGroup,
        version: controlplaneVersion,
        kind,
        description: "What policies let through and denied on one node.",
        fields: {},
      }),
      "x-kubernetes-preserve-unknown-fields": true,
    },
    store: {
      async create(object, { user, signal }) {
        const decoded = decodeSummary(object);
        if (!decoded.ok) throw badRequest(`${decoded.path}: ${decoded.reason}`);
        return encodeSummary(await take(decoded.value, user, signal)) as unknown as KubeObject;
      },
    },
  });
}
