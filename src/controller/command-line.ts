import { parseArgs } from "node:util";
import { errorMessage } from "#lib/runtime/index.ts";

/** What the command line asks for. */
export type CommandLine =
  | { readonly do: "help" }
  | { readonly do: "version" }
  | { readonly do: "refuse"; readonly problem: string }
  | { readonly do: "run"; readonly configFile: string | undefined; readonly verbosity: number; readonly notices: readonly string[] };

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
const names = Object.keys(withoutEffect) as (keyof typeof withoutEffect)[];

export const usage = `antrea-controller computes which network policies each node needs, and serves them to the agents.

Usage: antrea-controller [--config FILE] [--v LEVEL]

  --config FILE   antrea-controller.conf (YAML); without it every key has its default
  --v LEVEL       how much to log: 0 for operators, 4 for developers, 5 everything
  --version       print the version and exit
  --help          print this and exit

POD_NAMESPACE in the environment names the namespace of Service antrea; without it, it is kube-system.
Flags of log files (${names.map((name) => `--${name}`).join(", ")}) are accepted and have no effect.

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start or gave up; 2 the command line or the configuration is wrong.
`;

export function parseCommandLine(args: readonly string[]): CommandLine {
  const options = { config: text, v: text, version: on, help: { ...on, short: "h" }, ...withoutEffect } as const;
  try {
    const { values } = parseArgs({ args: args.map(withoutBooleanValue), options, strict: true });
    if (values.help) return { do: "help" };
    if (values.version) return { do: "version" };
    const verbosity = values.v ?? "0";
    if (!/^\d{1,2}$/.test(verbosity)) return { do: "refuse", problem: `--v ${verbosity}: must be a whole number from 0 to 99` };
    const notices = names.filter((name) => values[name] !== undefined).map((name) => `--${name} has no effect: logs go to standard error`);
    return { do: "run", configFile: values.config, verbosity: Number(verbosity), notices };
  } catch (error) {
    return { do: "refuse", problem: `${errorMessage(error).split("\n")[0]}; --help shows what there is` };
  }
}

/** Go's flags may say `--logtostderr=false`. */
const withoutBooleanValue = (arg: string): string => arg.replace(/^(--(?:also)?logtostderr)=(?:true|false)$/, "$1");
