import type { GroupMember } from "./types.ts";

/** Equal text for equal members, whatever the order of addresses and ports: the identity of a member within its group. */
export function memberKey(member: GroupMember): string {
  const { ips, ports } = member;
  return `${referenceKey(member)}|${sortedTexts(ips, String)}|${sortedTexts(ports, (port) => `${port.name}:${port.protocol}:${port.port}`)}`;
}

/** Nearly all members have one address and no named port: no list is made for them. */
function sortedTexts<Item>(items: readonly Item[], text: (item: Item) => string): string {
  const [first] = items;
  if (first === undefined) return "";
  return items.length === 1 ? text(first) : items.map(text).sort().join(",");
}

/** Which object a member stands for, without its addresses and ports: `Pod/namespace/name`, `Node/name`, … */
export function referenceKey({ pod, externalEntity, service, node }: GroupMember): string {
  if (pod) return `Pod/${pod.namespace}/${pod.name}`;
  if (externalEntity) return `ExternalEntity/${externalEntity.namespace}/${externalEntity.name}`;
  if (service) return `Service/${service.namespace}/${service.name}`;
  return `Node/${node ?? ""}`;
}
