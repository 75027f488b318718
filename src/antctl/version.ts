import { Command } from "commander";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { ConnectionFlags } from "./connection-flags.ts";
import { endpointOf } from "./endpoint.ts";
import { exitCodes } from "./exit.ts";
import { modeOf } from "./mode.ts";
import { checkFormat, formatAnswer } from "./output.ts";

/** The version of this program, as `package.json` has it. */
export const antctlVersion = "v0.1.0";

/** `antctl version`: ours, and that of the component. When that one is down ours is printed all the same, and the exit code is 1. */
export function versionCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("version")
    .description("versions of antctl and of the component it talks to")
    .option("-o, --output <format>", "yaml, json or raw", "yaml")
    .action(async ({ output }: { output: string }) => {
      const format = checkFormat(output);
      const mode = modeOf(environment);
      const versions: Record<string, string> = { antctlVersion };
      try {
        const endpoint = endpointOf({ mode, flags: connection(), environment });
        if (mode === "remote") {
          const info = (await endpoint("/apis/system.antrea.io/v1beta1/controllerinfos/antrea-controller")) as { version?: string };
          versions.controllerVersion = info.version ?? "unknown";
        } else {
          const info = (await endpoint("/version")) as { gitVersion?: string };
          versions[`${mode}Version`] = info.gitVersion ?? "unknown";
        }
      } catch (error) {
        process.stderr.write(`antctl: ${errorMessage(error)}\n`);
        process.exitCode = exitCodes.failed;
      }
      process.stdout.write(formatAnswer({ answer: versions, format, columns: [], items: [] }));
    });
}
