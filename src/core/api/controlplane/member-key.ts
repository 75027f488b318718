import type { GroupMember } from "./types.ts";

/** Equal text for equal members, whatever the order of addresses and ports: the identity of a member within its group. */
export function memberKey(member: GroupMember): string {
  return `${referenceKey(member)}|${member.ips.map(String).sort().join(",")}|${member.ports
    .map((port) => `${port.name}:${port.protocol}:${port.port}`)
    .sort()
    .join(",")}`;
}

/** Which object a member stands for, without its addresses and ports: `Pod/namespace/name`, `Node/name`, … */
export function referenceKey({ pod, externalEntity, service, node }: GroupMember): string {
  if (pod) return `Pod/${pod.namespace}/${pod.name}`;
  if (externalEntity) return `ExternalEntity/${externalEntity.namespace}/${externalEntity.name}`;
  if (service) return `Service/${service.namespace}/${service.name}`;
  return `Node/${node ?? ""}`;
}
