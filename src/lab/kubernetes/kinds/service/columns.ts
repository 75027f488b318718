import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import { labelsText } from "../selector-text.ts";
import type { FullService } from "./types.ts";

/** `kubectl get services` and `-o wide`. */
export const serviceColumns: readonly PrinterColumn<FullService>[] = [
  nameColumn,
  { name: "Type", type: "string", description: "How the service is reached.", value: ({ spec }) => spec?.type ?? "" },
  { name: "Cluster-IP", type: "string", description: "Address inside the cluster.", value: ({ spec }) => spec?.clusterIP || "<none>" },
  { name: "External-IP", type: "string", description: "Addresses from outside.", value: externalText },
  { name: "Port(s)", type: "string", description: "Ports of the service, with node ports.", value: portsText },
  ageColumn,
  {
    name: "Selector",
    type: "string",
    priority: 1,
    description: "Pods behind the service.",
    value: ({ spec }) => labelsText(spec?.selector),
  },
];

function externalText({ spec, status }: FullService): string {
  const listed = spec?.externalIPs ?? [];
  if (spec?.type === "ExternalName") return spec.externalName ?? "";
  if (spec?.type !== "LoadBalancer") return listed.join(",") || "<none>";
  const ways = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
  return [...ways, ...listed].join(",") || "<pending>";
}

function portsText({ spec }: FullService): string {
  const each = (spec?.ports ?? []).map(({ port, nodePort, protocol = "TCP" }) => `${port}${nodePort ? `:${nodePort}` : ""}/${protocol}`);
  return each.join(",") || "<none>";
}
