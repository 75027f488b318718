import { parseArgs } from "node:util";
import { errorMessage } from "#lib/runtime/index.ts";

/** What the command line asks for. */
export type CommandLine =
  | { readonly do: "help" }
  | { readonly do: "version" }
  | { readonly do: "refuse"; readonly problem: string }
  | { readonly do: "run"; readonly configFile: string | undefined; readonly verbosity: number; readonly notices: readonly string[] };

/** klog's flags for log files: accepted, as manifests pass them; we log to standard error and leave files to who started us. */
const withoutEffect = ["logtostderr", "alsologtostderr", "log_dir", "log_file", "log_file_max_size", "log_file_max_num"] as const;

export const usage = `antrea-agent connects the pods of one node and enforces their network policies.

Usage: antrea-agent [--config FILE] [--v LEVEL]

  --config FILE   antrea-agent.conf (YAML); without it every key has its default
  --v LEVEL       how much to log: 0 for operators, 4 for developers, 5 everything
  --version       print the version and exit
  --help          print this and exit

NODE_NAME in the environment names the node; without it, it is the host's name.
Flags of log files (${withoutEffect.map((name) => `--${name}`).join(", ")}) are accepted and have no effect.

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start or gave up; 2 the command line or the configuration is wrong.
`;

export function parseCommandLine(args: readonly string[]): CommandLine {
  const text = { type: "string" } as const;
  const on = { type: "boolean" } as const;
  const options = { config: text, v: text, version: on, help: { ...on, short: "h" } } as const;
  const logging = {
    logtostderr: on,
    alsologtostderr: on,
    log_dir: text,
    log_file: text,
    log_file_max_size: text,
    log_file_max_num: text,
  } as const;
  try {
    const { values } = parseArgs({ args: args.map(withoutBooleanValue), options: { ...options, ...logging }, strict: true });
    if (values.help) return { do: "help" };
    if (values.version) return { do: "version" };
    const verbosity = values.v ?? "0";
    if (!/^\d{1,2}$/.test(verbosity)) return { do: "refuse", problem: `--v ${verbosity}: must be a whole number from 0 to 99` };
    const notices = withoutEffect
      .filter((name) => values[name] !== undefined)
      .map((name) => `--${name} has no effect: logs go to standard error`);
    return { do: "run", configFile: values.config, verbosity: Number(verbosity), notices };
  } catch (error) {
    return { do: "refuse", problem: `${errorMessage(error).split("\n")[0]}; --help shows what there is` };
  }
}

/** Go's flags may say `--logtostderr=false`. */
const withoutBooleanValue = (arg: string): string => arg.replace(/^(--(?:also)?logtostderr)=(?:true|false)$/, "$1");
