import { Command } from "commander";
import { exitCodes } from "./exit.ts";
import { labCommand } from "./lab/commands.ts";

/** All of antctl's commands. */
export function createProgram(): Command {
  const program = new Command("antctl")
    .description("The command line of Antrea in TypeScript: inspect an agent or a controller, and run a whole cluster on this machine")
    .showHelpAfterError("(antctl --help lists the commands)")
    .exitOverride((error) => {
      process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
      process.exit();
    });
  program.addCommand(labCommand());
  return program;
}
