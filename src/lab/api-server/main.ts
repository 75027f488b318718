import { Command, CommanderError } from "commander";
import { errorMessage } from "#lib/runtime/errors.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { startLabApiServer } from "./start.ts";

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

const command = new Command("lab-api-server")
  .description("The lab's Kubernetes-compatible API server.")
  .requiredOption("--data <folder>", "the database")
  .requiredOption("--pki <folder>", "certificates and keys that the lab made")
  .requiredOption("--socket <path>", "Unix socket for connections from outside the lab's namespaces")
  .requiredOption("--listen <address:port>", "where nodes reach it; IPv6 addresses in brackets; may be repeated", collect, [])
  .requiredOption("--service-cidr <prefix>", "Service addresses; may be repeated", collect, [])
  .exitOverride();

/** Exit codes: 0 ended on request, 1 failed, 2 wrong flags. */
async function main(): Promise<number> {
  try {
    const flags = command.parse().opts<{ data: string; pki: string; socket: string; listen: string[]; serviceCidr: string[] }>();
    const server = await startLabApiServer({ runtime: systemRuntime({ level: "warn" }), ...flags });
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    await server.close();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`lab-api-server: ${errorMessage(error)}\n`);
    return 1;
  }
}

process.exit(await main());
