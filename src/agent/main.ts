import { hostname } from "node:os";
import { InvalidConfig, parseConfig, readConfigFile } from "#lib/config-file/index.ts";
import { InvalidKubeconfig } from "#lib/kube/index.ts";
import { CodedError, errorMessage, seconds, systemRuntime } from "#lib/runtime/index.ts";
import { parseCommandLine, usage } from "./command-line.ts";
import { agentKeys } from "./config.ts";
import { Stopped } from "./errors.ts";
import { levelOfVerbosity } from "./log-level.ts";
import { version } from "./version.ts";
import { runAgent } from "./wiring.ts";

/** Time for a graceful end; connections that hang must not keep a node from restarting its agent. */
const shutdownLimit = seconds(5);

const commandLine = parseCommandLine(process.argv.slice(2));
switch (commandLine.do) {
  case "help":
    process.stdout.write(usage);
    break;
  case "version":
    process.stdout.write(`antrea-agent ${version}\n`);
    break;
  case "refuse":
    process.stderr.write(`antrea-agent: ${commandLine.problem}\n`);
    process.exitCode = 2;
    break;
  case "run":
    process.exitCode = await run(commandLine);
}

async function run({ configFile, verbosity, notices }: Extract<typeof commandLine, { do: "run" }>): Promise<number> {
  const runtime = systemRuntime({ level: levelOfVerbosity(verbosity) });
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    runtime.logger.info("stopping", { signal });
    stopping.abort(new Stopped());
    runtime.clock.after(shutdownLimit, () => process.exit(0), { background: true });
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  try {
    const file = configFile ?? "antrea-agent.conf";
    const config = await (configFile === undefined ? parseConfig("", { file, keys: agentKeys }) : readConfigFile(configFile, agentKeys));
    for (const notice of [...notices, ...config.notices]) runtime.logger.warn(notice);
    const nodeName = process.env.NODE_NAME || hostname();
    await runAgent({ runtime, config: config.values, configFile: file, nodeName, environment: process.env, signal: stopping.signal });
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    process.stderr.write(`antrea-agent: ${errorMessage(error)}\n`);
    if (!(error instanceof CodedError) && error instanceof Error) runtime.logger.error("unexpected", { stack: error.stack });
    // Threads and connections of a half-started agent would keep the process from ending.
    return process.exit(error instanceof InvalidConfig || error instanceof InvalidKubeconfig ? 2 : 1);
  }
}
