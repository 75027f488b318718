import { parseArgs } from "node:util";
import { errorMessage } from "#lib/runtime/index.ts";
import { parseVerbosity } from "./verbosity.ts";

/** What the command line asks for. */
export type CommandLine =
  | { readonly do: "help" }
  | { readonly do: "version" }
  | { readonly do: "refuse"; readonly problem: string }
  | {
      readonly do: "run";
      readonly configFile: string | undefined;
      readonly verbosity: number;
      readonly strict: boolean;
      /** Only read the configuration and say what is wrong with it. */
      readonly check: boolean;
      readonly notices: readonly string[];
    };

const text = { type: "string" } as const;
const on = { type: "boolean" } as const;
/** klog's flags for log files: accepted, as manifests pass them; we log to standard error and leave files to who started us. */
const withoutEffect = {
  logtostderr: on,
  alsologtostderr: on,
  log_dir: text,
  log_file: text,
  log_file_max_size: text,
  log_file_max_num: text,
} as const;
const namesWithoutEffect = Object.keys(withoutEffect) as (keyof typeof withoutEffect)[];

/** Reads the flags that every daemon of ours has. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const options = { config: text, v: text, strict: on, check: on, version: on, help: { ...on, short: "h" }, ...withoutEffect } as const;
  try {
    const { values } = parseArgs({ args: args.map(withoutBooleanValue), options, strict: true });
    if (values.help) return { do: "help" };
    if (values.version) return { do: "version" };
    const verbosity = parseVerbosity(values.v ?? "0");
    if (verbosity === undefined) return { do: "refuse", problem: `--v ${values.v}: must be a whole number from 0 to 99` };
    const notices = namesWithoutEffect
      .filter((name) => values[name] !== undefined)
      .map((name) => `--${name} has no effect: logs go to standard error`);
    return { do: "run", configFile: values.config, verbosity, strict: values.strict ?? false, check: values.check ?? false, notices };
  } catch (error) {
    return { do: "refuse", problem: `${errorMessage(error).split("\n")[0]}; --help shows what there is` };
  }
}

/** Go's flags may say `--logtostderr=false`. */
const withoutBooleanValue = (arg: string): string => arg.replace(/^(--(?:also)?logtostderr)=(?:true|false)$/, "$1");

/** What `--help` prints. */
export function usageOf(daemon: {
  readonly name: string;
  readonly purpose: string;
  readonly configName: string;
  readonly environmentNote: string;
}): string {
  const { name, purpose, configName, environmentNote } = daemon;
  return `${name} ${purpose}.

Usage: ${name} [--config FILE] [--strict] [--check] [--v LEVEL]

  --config FILE   ${configName} (YAML); without it every key has its default
  --strict        refuse the start when the configuration has a key or a gate that this version does not know
  --check         only read the configuration: what is wrong with it, or what it names that is unknown or without effect
  --v LEVEL       how much to log: 0 for operators, 4 for developers, 5 everything
  --version       print the version and exit
  --help          print this and exit

${environmentNote}
Flags of log files (${namesWithoutEffect.map((flag) => `--${flag}`).join(", ")}) are accepted and have no effect.

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start or gave up; 2 the command line or the configuration is wrong.
`;
}
