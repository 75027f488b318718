import type { GroupMember } from "#core/api/controlplane/index.ts";
import { badRequest } from "#lib/apiserver/errors.ts";

/** One page of a group's members, and where it stands among the others. */
export interface Page {
  readonly members: readonly GroupMember[];
  readonly totalMembers: number;
  readonly totalPages: number;
  readonly currentPage: number;
}

/** The members in their order by name, cut as `?page=` and `?limit=` ask; without a limit or a page, all of them. Throws BadRequest. */
export function pageOf(members: readonly GroupMember[], parameters: URLSearchParams): Page {
  const limit = countOf(parameters, "limit");
  const page = countOf(parameters, "page");
  const sorted = members.toSorted((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1));
  const totalMembers = sorted.length;
  if (totalMembers === 0) return { members: [], totalMembers, totalPages: 0, currentPage: 0 };
  if (limit === 0) return { members: sorted, totalMembers, totalPages: 1, currentPage: 1 };
  const shown = page === 0 ? sorted : sorted.slice((page - 1) * limit, page * limit);
  return { members: shown, totalMembers, totalPages: Math.ceil(totalMembers / limit), currentPage: page };
}

function countOf(parameters: URLSearchParams, name: "limit" | "page"): number {
  const text = parameters.get(name) || "0";
  const count = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(count) && count >= 0) return count;
  throw badRequest(`received invalid page ${name === "limit" ? "limit" : "number"} ${text.slice(0, 40)} for pagination`);
}

/** By name; the namespace decides between equal ones, so that pages follow on each other. */
function orderOf({ pod, externalEntity, node = "" }: GroupMember): string {
  const { name, namespace } = pod ?? externalEntity ?? { name: node, namespace: "" };
  return `${name} ${namespace}`;
}
