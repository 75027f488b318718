import { Command } from "commander";
import type { ConnectionFlags } from "./connection-flags.ts";
import { endpointOf } from "./endpoint.ts";
import { NotInThisMode, UnsupportedValue } from "./errors.ts";
import { modeOf } from "./mode.ts";

/** `antctl log-level [LEVEL]`: shows or sets how much the component of this Pod logs. */
export function logLevelCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("log-level")
    .description("show or set the log level of this Pod's component: 0 and up, as klog's verbosity (agent, controller mode)")
    .argument("[level]", "whole number from 0")
    .action(async (level: string | undefined) => {
      const mode = modeOf(environment);
      if (mode === "remote") throw new NotInThisMode("log-level", mode, ["agent", "controller"]);
      if (level !== undefined && !/^\d{1,2}$/.test(level)) throw new UnsupportedValue(level, "level", "a whole number from 0");
      const answer = await endpointOf({ mode, flags: connection(), environment })(
        `/loglevel${level === undefined ? "" : `?level=${level}`}`,
      );
      process.stdout.write(`${typeof answer === "object" ? JSON.stringify(answer) : String(answer)}\n`);
    });
}
