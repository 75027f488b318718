import type { IncomingMessage } from "node:http";
import { badRequest, StatusError } from "../errors.ts";
import { authenticatedGroup, serviceAccountUser, type UserInfo } from "../user.ts";
import { type Authorizer, decide } from "./authorizer.ts";

/**
 * The user that `Impersonate-*` headers ask to act as (`kubectl --as`), or the user itself without them. Each user and group needs the verb
 * `impersonate`. Throws Forbidden.
 */
export async function impersonate(authorizer: Authorizer, user: UserInfo, request: IncomingMessage): Promise<UserInfo> {
  const username = headerOf(request, "impersonate-user");
  const groups = (headerOf(request, "impersonate-group") ?? "").split(",").map((group) => group.trim());
  const wantedGroups = groups.filter((group) => group !== "");
  if (username === undefined) {
    if (wantedGroups.length > 0) throw badRequest("Impersonate-Group needs Impersonate-User");
    return user;
  }
  await mayImpersonate(authorizer, user, "users", username);
  for (const group of wantedGroups) await mayImpersonate(authorizer, user, "groups", group);
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  if (namespace !== undefined && name !== undefined && wantedGroups.length === 0) return serviceAccountUser({ namespace, name, uid: "" });
  return { username, groups: [...new Set([...wantedGroups, authenticatedGroup])] };
}

async function mayImpersonate(authorizer: Authorizer, user: UserInfo, resource: "users" | "groups", name: string): Promise<void> {
  const target = { group: "", version: "v1", resource, subresource: "", namespace: "", name };
  const { allowed } = await decide(authorizer, { user, verb: "impersonate", resource: target });
  if (allowed) return;
  throw new StatusError(
    403,
    "Forbidden",
    `${resource} "${name}" is forbidden: User "${user.username}" cannot impersonate resource "${resource}" in API group "" at the cluster scope`,
    { kind: resource, name },
  );
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}
