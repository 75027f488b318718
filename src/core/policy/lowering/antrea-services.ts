import type { AntreaRule } from "#core/api/antrea/policy.ts";
import type { ServiceMatch } from "#core/api/controlplane/index.ts";
import { lowerPort } from "./ports.ts";
import type { Problems } from "./problems.ts";

/** What a rule matches beside addresses: the union of its ports and protocols; empty = everything; undefined = none of them can be used. */
export function lowerAntreaServices(
  { ports = [], protocols = [] }: AntreaRule,
  path: string,
  problems: Problems,
): readonly ServiceMatch[] | undefined {
  const services: ServiceMatch[] = [];
  for (const [index, port] of ports.entries()) {
    const service = lowerPort(port, `${path}.ports[${index}]`, problems);
    if (service !== undefined) services.push(service);
  }
  for (const [index, { icmp, igmp }] of protocols.entries()) {
    if (icmp !== undefined) {
      const { icmpType, icmpCode } = icmp;
      services.push({ protocol: "ICMP", ...(icmpType !== undefined && { icmpType }), ...(icmpCode !== undefined && { icmpCode }) });
    } else if (igmp !== undefined) {
      const { igmpType, groupAddress } = igmp;
      services.push({
        protocol: "IGMP",
        ...(igmpType !== undefined && { igmpType }),
        ...(groupAddress !== undefined && groupAddress !== "" && { groupAddress }),
      });
    } else problems.note(`${path}.protocols[${index}]`, "has none of icmp, igmp; it matches nothing");
  }
  return services.length === 0 && ports.length + protocols.length > 0 ? undefined : services;
}
