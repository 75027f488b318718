import { type Command, Option } from "commander";
import { parseDuration } from "#lib/runtime/duration.ts";
import { UnsupportedValue } from "./errors.ts";

/** Flags that every command has that asks a component. */
export interface ConnectionFlags {
  readonly kubeconfig?: string;
  readonly server?: string;
  /** Milliseconds; 0 = none. */
  readonly timeout: number;
  /** Each request is told on standard error. */
  readonly verbose?: true;
}

const connectionOptions = (): readonly Option[] => [
  new Option("-k, --kubeconfig <file>", "kubeconfig for use outside a Pod (default: $KUBECONFIG, ~/.kube/config)"),
  new Option("-s, --server <url>", "address of the component or API server instead of the usual one"),
  new Option("-t, --timeout <duration>", "longest time for a request, such as 10s; 0 = none").default(0).argParser(durationFlag),
  new Option("-v, --verbose", "tell each request on standard error"),
];

/**
 * Gives `program` these flags, before and after the names of the commands `asking`, as antctl's users know it; where a command has a flag of that name of
 * its own, its own counts there.
 */
export function addConnectionFlags(program: Command, asking: readonly Command[]): void {
  for (const option of connectionOptions()) program.addOption(option);
  for (const command of asking.flatMap(leaves)) {
    const own = command.options;
    const added = connectionOptions().filter(({ long, short }) => !own.some((option) => option.long === long || option.short === short));
    for (const option of added) command.addOption(option.hideHelp());
    command.hook("preAction", () => {
      for (const option of added) {
        const name = option.attributeName();
        if (command.getOptionValueSource(name) === "cli") program.setOptionValue(name, command.getOptionValue(name));
      }
    });
  }
}

const leaves = (command: Command): readonly Command[] => (command.commands.length === 0 ? [command] : command.commands.flatMap(leaves));

function durationFlag(text: string): number {
  const duration = parseDuration(text);
  if (duration === undefined) throw new UnsupportedValue(text, "timeout", "a duration such as 10s");
  return duration;
}
