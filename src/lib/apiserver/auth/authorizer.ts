import type { PolicyRule } from "./rbac.ts";
import type { Awaitable } from "../resource-store.ts";
import { mastersGroup, type UserInfo } from "../user.ts";

/** What somebody wants to do. Either a resource, or a path. */
export interface AccessAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly resource?: {
    readonly group: string;
    readonly version: string;
    readonly resource: string;
    readonly subresource: string;
    readonly namespace: string;
    readonly name: string;
  };
  readonly path?: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** For people; shown in SubjectAccessReviews and refusals. */
  readonly reason: string;
}

export interface Authorizer {
  authorize(attributes: AccessAttributes): Awaitable<Decision>;
  /** What the user may do in a namespace, for `kubectl auth can-i --list`. Absent where that cannot be told. */
  rulesFor?(user: UserInfo, namespace: string): readonly PolicyRule[];
}

/** What nobody is refused, whatever roles exist: liveness of the server and who it is. */
const publicPaths = new Set(["/healthz", "/livez", "/readyz", "/version"]);

/** Asks `authorizer` unless the answer needs none: members of `system:masters`, health. */
export async function decide(authorizer: Authorizer, attributes: AccessAttributes): Promise<Decision> {
  if (attributes.user.groups.includes(mastersGroup)) return { allowed: true, reason: `group ${mastersGroup}` };
  const { path } = attributes;
  if (path !== undefined && attributes.verb === "get" && [...publicPaths].some((open) => path === open || path.startsWith(`${open}/`)))
    return { allowed: true, reason: "public path" };
  return authorizer.authorize(attributes);
}

/** Allows everything to users that are known. For servers behind one that decides. */
export const allowAuthenticated: Authorizer = {
  authorize: ({ user }) => ({ allowed: user.groups.includes("system:authenticated"), reason: "authenticated users only" }),
};

/** The sentence of a refusal: `User "x" cannot list resource "pods" in API group "" in the namespace "y"`. */
export function refusal({ user, verb, resource, path }: AccessAttributes): string {
  if (resource === undefined) return `User "${user.username}" cannot ${verb} path "${path ?? ""}"`;
  const what = resource.subresource === "" ? resource.resource : `${resource.resource}/${resource.subresource}`;
  const where = resource.namespace === "" ? "at the cluster scope" : `in the namespace "${resource.namespace}"`;
  return `User "${user.username}" cannot ${verb} resource "${what}" in API group "${resource.group}" ${where}`;
}
