import { Command } from "commander";
import { completionCommand } from "./completion.ts";
import { addConnectionFlags, type ConnectionFlags } from "./connection-flags.ts";
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
    .enablePositionalOptions();
  const connection = (): ConnectionFlags => program.opts<ConnectionFlags>();
  const asking = [getCommand, queryCommand, versionCommand, waitForCommand, logLevelCommand].map((make) => make(connection, environment));
  addConnectionFlags(program, asking);
  for (const command of asking) program.addCommand(command);
  program.addCommand(labCommand());
  program.addCommand(completionCommand(program));
  withExitCodes(program);
  return program;
}

/** Wrong usage of any command is one line that names the command, and ends with its own exit code. */
function withExitCodes(command: Command, path: string = command.name()): void {
  command
    .configureOutput({
      outputError: (text, write) => write(`${path}: ${oneLine(text)}; ${path} --help shows what there is\n`),
    })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage));
  for (const child of command.commands) withExitCodes(child, `${path} ${child.name()}`);
}

const oneLine = (text: string): string =>
  text
    .replace(/^error: /, "")
    .trim()
    .replace(/\s+/g, " ");
