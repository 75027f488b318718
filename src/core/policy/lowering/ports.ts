import type { ServiceMatch } from "#core/api/controlplane/index.ts";
import type { Problems } from "./problems.ts";

/** A port as NetworkPolicies of Kubernetes and of Antrea write it; source ports are Antrea's. */
export interface PortEntry {
  readonly protocol?: string;
  readonly port?: number | string | null;
  readonly endPort?: number | null;
  readonly sourcePort?: number;
  readonly sourceEndPort?: number;
}

/** Undefined where the entry cannot be used: it matches nothing. */
export function lowerPort(entry: PortEntry, path: string, problems: Problems): ServiceMatch | undefined {
  const { protocol = "TCP", sourcePort, sourceEndPort } = entry;
  if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") {
    problems.note(`${path}.protocol`, `${JSON.stringify(protocol)} is none of TCP, UDP, SCTP; the entry matches nothing`);
    return undefined;
  }
  const port = entry.port ?? undefined;
  const endPort = entry.endPort ?? undefined;
  if (endPort !== undefined && (typeof port !== "number" || endPort < port)) {
    problems.note(`${path}.endPort`, "needs a numeric port that is not above it; the entry matches nothing");
    return undefined;
  }
  if (sourceEndPort !== undefined && (sourcePort === undefined || sourceEndPort < sourcePort)) {
    problems.note(`${path}.sourceEndPort`, "needs a sourcePort that is not above it; the entry matches nothing");
    return undefined;
  }
  return {
    protocol,
    ...(port !== undefined && { port }),
    ...(endPort !== undefined && { endPort }),
    ...(sourcePort !== undefined && { srcPort: sourcePort }),
    ...(sourceEndPort !== undefined && { srcEndPort: sourceEndPort }),
  };
}

/** Whether ports are looked up in the destination by name. */
export const hasNamedPort = (services: readonly ServiceMatch[]): boolean => services.some(({ port }) => typeof port === "string");
