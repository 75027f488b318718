import type { LabStatus } from "#lab/status.ts";
import { formatTable } from "../format-table.ts";

/** `antctl lab status` for people. */
export function formatStatus(status: LabStatus): string {
  const facts = [
    ["lab", status.name],
    ["kubeconfig", status.kubeconfig],
    ["API server", status.server],
    ["pods", status.podCidrs.join(", ")],
    ["services", status.serviceCidrs.join(", ")],
    ["uplink", status.uplink ? "yes" : "no"],
    ...status.kubernetes.map(({ part, program }) => [part === "API server" ? "server program" : part, program]),
    ["images", status.images],
    ["nodes", status.nodes.map((node) => `${node.name} (${node.state})`).join(", ")],
  ];
  const width = Math.max(...facts.map(([name]) => name?.length ?? 0)) + 2;
  const head = facts.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}\n`).join("");
  const rows = status.processes.map((process) => [process.name, process.state, String(process.pid ?? "-"), String(process.restarts)]);
  return `${head}\n${formatTable(["PROCESS", "STATE", "PID", "RESTARTS"], rows)}`;
}
