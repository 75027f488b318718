import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { parsePrefix } from "#lib/ip/index.ts";
import { createKubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import { errorMessage, systemRuntime } from "#lib/runtime/index.ts";
import { controllerSets, runControllers } from "../kubernetes/controllers/index.ts";

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

const command = new Command("lab-controllers")
  .description("The small controllers that a cluster needs: workloads, scheduler, namespaces, nodes, clean-up.")
  .requiredOption("--kubeconfig <file>", "how to reach the API")
  .requiredOption("--pod-cidr <prefix>", "pod addresses, divided among nodes; may be repeated, one per family", collect, [])
  .option("--signing-certificate <file>", "authority that signs requests for certificates; without it nobody does")
  .option("--signing-key <file>", "its key")
  .option("--controllers <names>", `those to run: ${controllerSets.join(", ")}`, "all")
  .exitOverride();

interface Flags {
  readonly kubeconfig: string;
  readonly podCidr: readonly string[];
  readonly signingCertificate?: string;
  readonly signingKey?: string;
  readonly controllers: string;
}

/** Exit codes: 0 ended on request, 1 failed, 2 wrong flags. */
async function main(): Promise<number> {
  try {
    const flags = command.parse().opts<Flags>();
    const controllers = controllerSets.find((set) => set === flags.controllers);
    if (controllers === undefined)
      throw new InvalidArgumentError(`--controllers: ${flags.controllers} is none of ${controllerSets.join(", ")}`);
    const stop = new AbortController();
    const ended = new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    const config = loadKubeconfig(flags.kubeconfig);
    const client = createKubeClient({ config, userAgent: "lab-controllers" });
    await runControllers({
      runtime: systemRuntime({ level: "warn" }),
      client,
      podCidrs: flags.podCidr.map(parsePrefix),
      rootCa: config.ca ?? "",
      ...(flags.signingCertificate === undefined || flags.signingKey === undefined
        ? {}
        : { signing: { certificate: readFileSync(flags.signingCertificate, "utf8"), key: readFileSync(flags.signingKey, "utf8") } }),
      controllers,
      signal: stop.signal,
    });
    await ended;
    stop.abort();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`lab-controllers: ${errorMessage(error)}\n`);
    return 1;
  }
}

process.exit(await main());
