import { InvalidConfig } from "#lib/config-file/errors.ts";
import { InvalidKubeconfig } from "#lib/kube/errors.ts";
import { CodedError, errorMessage, type Runtime, seconds, systemRuntime } from "#lib/runtime/index.ts";
import { parseCommandLine, usageOf } from "./command-line.ts";
import { Stopped } from "./errors.ts";
import { levelOfVerbosity } from "./verbosity.ts";
import { version } from "./version.ts";

/** Time for a graceful end; a connection that hangs must not keep the daemon from being started again. */
const shutdownLimit = seconds(5);

/** What a configuration that was read says for the log; of it, what is about names that this version does not know. */
interface Notices {
  readonly notices: readonly string[];
  readonly unknown: readonly string[];
}

/** What the process is, and what it does with a configuration that was read. */
export interface Daemon<Config extends Notices> {
  readonly name: string;
  /** What follows the name in the first sentence of `--help`, without the full stop. */
  readonly purpose: string;
  /** The usual name of its configuration file; names the defaults in errors when no file is given. */
  readonly configName: string;
  /** The line of `--help` about the environment. */
  readonly environmentNote: string;
  /** Reads `configFile`, or gives the defaults when there is none. Throws {@link InvalidConfig}. */
  readonly configure: (configFile: string | undefined) => Config | Promise<Config>;
  /** Errors beside those of configuration and kubeconfig that mean wrong input: exit code 2. */
  readonly wrongInput?: readonly (new (
    ...args: never[]
  ) => Error)[];
  /** Until `signal` aborts, with {@link Stopped}; resolves when everything is closed. */
  readonly run: (started: {
    readonly runtime: Runtime;
    readonly config: Config;
    /** Names the configuration in errors. */
    readonly configFile: string;
    readonly signal: AbortSignal;
  }) => Promise<void>;
}

/**
 * The whole life of a daemon: flags, configuration, SIGTERM and SIGINT, one line on standard error for what goes wrong, exit codes 0, 1 and 2 as
 * `--help` tells them. Returns when there is nothing more to do; what is still open then is cut after five seconds.
 */
export async function runDaemon<Config extends Notices>(daemon: Daemon<Config>): Promise<void> {
  const commandLine = parseCommandLine(process.argv.slice(2));
  switch (commandLine.do) {
    case "help":
      process.stdout.write(usageOf(daemon));
      break;
    case "version":
      process.stdout.write(`${daemon.name} ${version}\n`);
      break;
    case "refuse":
      process.stderr.write(`${daemon.name}: ${commandLine.problem}\n`);
      process.exitCode = 2;
      break;
    case "run":
      await live(daemon, commandLine);
  }
}

async function live<Config extends Notices>(
  daemon: Daemon<Config>,
  { configFile, verbosity, strict, check, notices }: Extract<ReturnType<typeof parseCommandLine>, { do: "run" }>,
): Promise<void> {
  const runtime = systemRuntime({ level: levelOfVerbosity(verbosity) });
  const { logger, clock } = runtime;
  const stopping = new AbortController();
  const { signal } = stopping;
  const stop = (received: NodeJS.Signals): void => {
    if (signal.aborted) return;
    logger.info("stopping", { signal: received });
    const cut = (): never => {
      logger.warn("the end takes too long; what is still open is cut", { limitMs: shutdownLimit });
      process.exit(0);
    };
    clock.after(shutdownLimit, cut, { background: true });
    stopping.abort(new Stopped());
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  try {
    const config = await daemon.configure(configFile);
    const [unknown] = strict ? config.unknown : [];
    if (unknown !== undefined) throw new InvalidConfig("", "", `--strict: ${unknown.replace(/ and is ignored$/, "")}`);
    if (check) {
      process.stdout.write([...notices, ...config.notices].map((notice) => `${notice}\n`).join(""));
      return;
    }
    for (const notice of [...notices, ...config.notices]) logger.warn(notice);
    await daemon.run({ runtime, config, configFile: configFile ?? daemon.configName, signal });
  } catch (error) {
    if (signal.aborted) return;
    process.stderr.write(`${daemon.name}: ${errorMessage(error)}\n`);
    if (!(error instanceof CodedError) && error instanceof Error) logger.error("unexpected", { stack: error.stack });
    const isWrongInput = [InvalidConfig, InvalidKubeconfig, ...(daemon.wrongInput ?? [])].some((kind) => error instanceof kind);
    // Threads and connections of a half-started daemon would keep the process from ending.
    process.exit(isWrongInput ? 2 : 1);
  }
}
