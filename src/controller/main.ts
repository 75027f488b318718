import { InvalidConfig } from "#lib/config-file/index.ts";
import { InvalidKubeconfig } from "#lib/kube/index.ts";
import { CodedError, errorMessage, seconds, systemRuntime } from "#lib/runtime/index.ts";
import { parseCommandLine, usage } from "./command-line.ts";
import { parseControllerConfig, readControllerConfig } from "./config.ts";
import { UnusableCertificate } from "./errors.ts";
import { levelOfVerbosity } from "./verbosity.ts";
import { version } from "./version.ts";
import { runController } from "./wiring.ts";

/** Time for a graceful end; a connection that hangs must not keep the controller from being restarted. */
const shutdownLimit = seconds(5);

const commandLine = parseCommandLine(process.argv.slice(2));
switch (commandLine.do) {
  case "help":
    process.stdout.write(usage);
    break;
  case "version":
    process.stdout.write(`antrea-controller ${version}\n`);
    break;
  case "refuse":
    process.stderr.write(`antrea-controller: ${commandLine.problem}\n`);
    process.exitCode = 2;
    break;
  case "run":
    process.exitCode = await run(commandLine);
}

async function run({ configFile, verbosity, notices }: Extract<typeof commandLine, { do: "run" }>): Promise<number> {
  const runtime = systemRuntime({ level: levelOfVerbosity(verbosity) });
  const stopping = new AbortController();
  const endSoon = (): void => void runtime.clock.after(shutdownLimit, () => process.exit(), { background: true });
  const stop = (signal: NodeJS.Signals): void => {
    runtime.logger.info("stopping", { signal });
    stopping.abort();
    endSoon();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  try {
    const config = await (configFile === undefined
      ? parseControllerConfig("", "antrea-controller.conf")
      : readControllerConfig(configFile));
    for (const notice of [...notices, ...config.notices]) runtime.logger.warn(notice);
    const { signal } = stopping;
    await runController({ runtime, config, configFile: configFile ?? "antrea-controller.conf", environment: process.env, signal });
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    process.stderr.write(`antrea-controller: ${errorMessage(error)}\n`);
    if (!(error instanceof CodedError) && error instanceof Error) runtime.logger.error("unexpected", { stack: error.stack });
    stopping.abort();
    const isWrongInput = [InvalidConfig, InvalidKubeconfig, UnusableCertificate].some((kind) => error instanceof kind);
    return isWrongInput ? 2 : 1;
  } finally {
    endSoon();
  }
}
