import { Command, CommanderError } from "commander";
import { errorMessage } from "#lib/runtime/errors.ts";
import { openDoor, readPlace } from "./door.ts";

const command = new Command("lab-door")
  .description("Passes connections on between a network namespace and the rest of the machine, byte for byte.")
  .requiredOption("--listen <place>", "a Unix socket's path, or address:port")
  .requiredOption("--to <place>", "where connections go: a Unix socket's path, or address:port")
  .exitOverride();

/** Exit codes: 0 ended on request, 1 failed, 2 wrong flags. */
async function main(): Promise<number> {
  try {
    const flags = command.parse().opts<{ listen: string; to: string }>();
    const door = await openDoor({ listen: readPlace(flags.listen), to: readPlace(flags.to) });
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    door.close();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`lab-door: ${errorMessage(error)}\n`);
    return 1;
  }
}

process.exit(await main());
