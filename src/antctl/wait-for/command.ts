import { Command } from "commander";
import type { NodeEnforcement } from "#core/api/controlplane/index.ts";
import { formatDuration, parseDuration, systemClock } from "#lib/runtime/index.ts";
import type { ConnectionFlags } from "../connection-flags.ts";
import { endpointOf } from "../endpoint.ts";
import { NotInThisMode, UnsupportedValue } from "../errors.ts";
import { exitCodes } from "../exit.ts";
import { formatTable } from "../format-table.ts";
import { modeOf } from "../mode.ts";
import { checkFormat, formatAnswer } from "../output.ts";
import { policyKinds } from "./find-policy.ts";
import { type Enforcement, isProven, waitForPolicy } from "./wait-for-policy.ts";

interface Flags {
  readonly enforced: true;
  readonly generation?: string;
  readonly timeout: string;
  readonly namespace?: string;
  readonly type?: string;
  readonly output: string;
}

/** `antctl wait-for policy NAME --enforced`. */
export function waitForCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  const policy = new Command("policy")
    .description(
      "wait until every node that a policy concerns has proven that it enforces it, with the present members of its groups (controller, remote mode)",
    )
    .argument("<name>", "of an Antrea, Kubernetes or cluster network policy")
    .requiredOption("--enforced", "what is waited for: every node has read it back from its switch")
    .option("--generation <number>", "wait for this metadata.generation or a later one (default: the present one)")
    .option("--timeout <duration>", "longest time to wait", "30s")
    .option("-n, --namespace <namespace>", "of a policy that has one")
    .option("-T, --type <type>", `${policyKinds.join(", ")} (default: whichever has that name)`)
    .option("-o, --output <format>", "table, json, yaml or raw", "table")
    .action(async (name: string, flags: Flags) => {
      const format = checkFormat(flags.output);
      const timeout = parseDuration(flags.timeout);
      if (timeout === undefined) throw new UnsupportedValue(flags.timeout, "timeout", "a duration such as 10s");
      const type = policyKinds.find((kind) => kind === flags.type);
      if (flags.type !== undefined && type === undefined)
        throw new UnsupportedValue(flags.type, "type", `one of ${policyKinds.join(", ")}`);
      if (flags.generation !== undefined && !/^\d{1,15}$/.test(flags.generation))
        throw new UnsupportedValue(flags.generation, "generation", "a whole number");
      const mode = modeOf(environment);
      if (mode === "agent") throw new NotInThisMode("wait-for", mode, ["controller", "remote"]);
      const outcome = await waitForPolicy({
        ask: endpointOf({ mode, flags: connection(), environment }),
        mode,
        policy: {
          name,
          ...(flags.namespace !== undefined && { namespace: flags.namespace }),
          ...(type !== undefined && { type }),
        },
        generation: flags.generation === undefined ? undefined : Number(flags.generation),
        timeout,
        clock: systemClock,
      });
      process.stdout.write(
        format === "table" ? formatOutcome(outcome, flags.timeout) : formatAnswer({ answer: outcome, format, columns: [], items: [] }),
      );
      if (!outcome.enforced) process.exitCode = exitCodes.notYet;
    });
  return new Command("wait-for").description("wait until something holds").addCommand(policy);
}

/** Of many nodes the slowest are shown. */
const shownAtMost = 10;

/** For people. */
export function formatOutcome(outcome: Enforcement, timeout: string): string {
  const { policy, generation, enforced, nodes, p50Milliseconds, p99Milliseconds, problem, staged, membersUnknown } = outcome;
  const name = `${policy.type}/${policy.namespace === undefined ? "" : `${policy.namespace}/`}${policy.name} generation ${generation}`;
  if (nodes === undefined) return `${name}: not enforced after ${timeout}: ${problem ?? "no controller has computed it"}\n`;
  if (staged === true) return `${name}: not enforced after ${timeout}: it is staged\n`;
  const proven = nodes.filter(isProven);
  const count = `${proven.length} of ${nodes.length} nodes`;
  const times =
    p50Milliseconds === undefined || p99Milliseconds === undefined
      ? ""
      : `; from change to proof p50 ${formatDuration(p50Milliseconds)}, p99 ${formatDuration(p99Milliseconds)}`;
  const summary = enforced ? `${name}: enforced on ${count}${times}` : `${name}: not enforced after ${timeout}: proven by ${count}${times}`;
  const shown = enforced ? slowest(nodes) : nodes.filter((node) => !isProven(node));
  const rows = shown
    .slice(0, shownAtMost)
    .map(({ nodeName, state, afterMilliseconds, membersProven, message = "" }) => [
      nodeName,
      state,
      afterMilliseconds === undefined ? "" : formatDuration(afterMilliseconds),
      state === "Proven" && membersProven === false ? "not proven with the members that its groups have now" : message,
    ]);
  const more = shown.length > shownAtMost ? `and ${shown.length - shownAtMost} more\n` : "";
  return `${summary}\n${!enforced || membersUnknown === undefined ? "" : silence(membersUnknown)}${rows.length === 0 ? "" : formatTable(["NODE", "STATE", "AFTER", "MESSAGE"], rows)}${more}`;
}

function silence(membersUnknown: NonNullable<Enforcement["membersUnknown"]>): string {
  if (membersUnknown === "all") return "whether later members of its groups are proven is not known: the controller does not follow them\n";
  const named = membersUnknown.slice(0, shownAtMost).join(", ");
  const more = membersUnknown.length > shownAtMost ? ` and ${membersUnknown.length - shownAtMost} more` : "";
  return `whether later members of its groups are proven is not known of ${named}${more}\n`;
}

const slowest = (nodes: readonly NodeEnforcement[]): NodeEnforcement[] =>
  [...nodes].sort((one, other) => (other.afterMilliseconds ?? 0) - (one.afterMilliseconds ?? 0));
