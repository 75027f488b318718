import { type ControlplaneResource, controlplaneGroup } from "#core/api/controlplane/index.ts";
import { statsGroup } from "#core/api/stats/names.ts";
import { forbidden } from "#lib/apiserver/errors.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { Logger } from "#lib/runtime/index.ts";

/** Where Kubernetes (1.30 and newer) tells the node of the Pod that a token was made for. */
const nodeOfToken = "authentication.kubernetes.io/node-name";

/**
 * Throws Forbidden when an agent asks for, or tells of, another node than the one that its token was made on; `node` undefined means all of them. A
 * credential that names no node is not judged here.
 */
export type OwnNodeOnly = (user: UserInfo, resource: ControlplaneResource | "nodelatencystats", node: string | undefined) => void;

/** For agents alone, who come as `agent`: others with a token of some node may be anybody. Refusals are logged. */
export function ownNodeOnly({ logger, agent }: { readonly logger: Logger; readonly agent: string }): OwnNodeOnly {
  return (user, resource, node) => {
    const own = user.username === agent ? user.extra?.[nodeOfToken]?.[0] : undefined;
    if (own === undefined || own === node) return;
    logger.warn("refused an agent what is another node's", { agentOf: own, resource, node: node ?? "all" });
    const group = resource === "nodelatencystats" ? statsGroup : controlplaneGroup;
    throw forbidden({ group, resource }, "", `an agent of node ${JSON.stringify(own)} has to do with that node alone`);
  };
}
