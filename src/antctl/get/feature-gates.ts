import { Command } from "commander";
import type { ConnectionFlags } from "../connection-flags.ts";
import { endpointOf } from "../endpoint.ts";
import { NotInThisMode } from "../errors.ts";
import { formatTable } from "../format-table.ts";
import { modeOf } from "../mode.ts";
import { checkFormat, formatAnswer } from "../output.ts";

interface Gate {
  readonly component: string;
  readonly name: string;
  readonly status: string;
  readonly version: string;
}

const titles = { agent: "Antrea Agent Feature Gates", controller: "Antrea Controller Feature Gates" } as const;

/** `antctl get featuregates`: a block for each component. The controller knows the agents' by their ConfigMap. */
export function featureGatesCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("featuregates")
    .description("feature gates: whether each is on, and how ripe it is (agent, controller mode)")
    .option("-o, --output <format>", "table, json, yaml or raw", "table")
    .action(async ({ output }: { readonly output: string }) => {
      const format = checkFormat(output);
      const mode = modeOf(environment);
      if (mode === "remote") throw new NotInThisMode("get featuregates", mode, ["agent", "controller"]);
      const answer = (await endpointOf({ mode, flags: connection(), environment })("/featuregates")) as readonly Gate[];
      process.stdout.write(format === "table" ? formatGates(answer) : formatAnswer({ answer, format, columns: [], items: [] }));
    });
}

export function formatGates(gates: readonly Gate[]): string {
  const blocks = Object.entries(titles).flatMap(([component, title]) => {
    const own = gates.filter((gate) => gate.component === component);
    if (own.length === 0) return [];
    const rows = own.map(({ name, status, version }) => [name, status, version]).sort(([one = ""], [other = ""]) => (one < other ? -1 : 1));
    return [`${title}\n${formatTable(["FEATUREGATE", "STATUS", "VERSION"], rows)}`];
  });
  return blocks.join("\n");
}
