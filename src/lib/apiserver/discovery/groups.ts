import { type GroupVersion, groupVersionText, sameGroupVersion } from "./resource-list.ts";

/** The group versions served, each once, in the order of their definition. */
export function groupVersionsOf(definitions: readonly GroupVersion[]): GroupVersion[] {
  const found: GroupVersion[] = [];
  for (const { group, version } of definitions) {
    if (!found.some((known) => sameGroupVersion(known, { group, version }))) found.push({ group, version });
  }
  return found;
}

/** `metav1.APIVersions` at `/api`. */
export const coreVersions = (groupVersions: readonly GroupVersion[]) =>
  ({
    kind: "APIVersions",
    versions: groupVersions.filter(({ group }) => group === "").map(({ version }) => version),
    serverAddressByClientCIDRs: [],
  }) as const;

/** `metav1.APIGroupList` at `/apis`. */
export function groupList(groupVersions: readonly GroupVersion[]) {
  const names = [...new Set(groupVersions.map(({ group }) => group).filter((group) => group !== ""))];
  return { kind: "APIGroupList", apiVersion: "v1", groups: names.map((group) => groupEntry(groupVersions, group)) } as const;
}

/** `metav1.APIGroup` at `/apis/GROUP`; undefined for a group that is not served. */
export function apiGroup(groupVersions: readonly GroupVersion[], group: string) {
  if (!groupVersions.some((one) => one.group === group)) return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...groupEntry(groupVersions, group) } as const;
}

/** The first version of a group is preferred: definitions and APIServices come in that order. */
function groupEntry(groupVersions: readonly GroupVersion[], group: string) {
  const versions = groupVersions
    .filter((one) => one.group === group)
    .map((one) => ({ groupVersion: groupVersionText(one), version: one.version }));
  return { name: group, versions, preferredVersion: versions[0] };
}
