import { Command } from "commander";
import { parseDuration } from "#lib/runtime/duration.ts";
import { completionCommand } from "./completion.ts";
import type { ConnectionFlags } from "./endpoint.ts";
import { UnsupportedValue } from "./errors.ts";
import { exitCodes } from "./exit.ts";
import { getCommand } from "./get/commands.ts";
import { labCommand } from "./lab/commands.ts";
import { logLevelCommand } from "./log-level.ts";
import { queryCommand } from "./query/commands.ts";
import { versionCommand } from "./version.ts";
import { waitForCommand } from "./wait-for/command.ts";

/** All of antctl's commands. */
export function createProgram(environment: NodeJS.ProcessEnv = process.env): Command {
  const program = new Command("antctl")
    .description("The command line of Antrea in TypeScript: inspect an agent or a controller, and run a whole cluster on this machine")
    .option("-k, --kubeconfig <file>", "kubeconfig for use outside a Pod (default: $KUBECONFIG, ~/.kube/config)")
    .option("-s, --server <url>", "address of the component or API server instead of the usual one")
    .option("-t, --timeout <duration>", "longest time for a request, such as 10s; 0 = none", durationFlag, 0)
    .enablePositionalOptions();
  const connection = (): ConnectionFlags => program.opts<ConnectionFlags>();
  program.addCommand(getCommand(connection, environment));
  program.addCommand(queryCommand(connection, environment));
  program.addCommand(versionCommand(connection, environment));
  program.addCommand(waitForCommand(connection, environment));
  program.addCommand(logLevelCommand(connection, environment));
  program.addCommand(labCommand());
  program.addCommand(completionCommand(program));
  withExitCodes(program);
  return program;
}

/** Wrong usage of any command ends with its own exit code. */
function withExitCodes(command: Command): void {
  command
    .showHelpAfterError("(add --help to see what there is)")
    .exitOverride((error) => process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage));
  for (const child of command.commands) withExitCodes(child);
}

function durationFlag(text: string): number {
  const duration = parseDuration(text);
  if (duration === undefined) throw new UnsupportedValue(text, "timeout: a duration such as 10s");
  return duration;
}
