import { Command } from "commander";
import type { ConnectionFlags } from "../connection-flags.ts";
import { endpointOf } from "../endpoint.ts";
import { NotInThisMode, UnsupportedValue } from "../errors.ts";
import { modeOf } from "../mode.ts";
import { checkFormat, formatAnswer } from "../output.ts";
import { type EndpointAnswer, formatEndpoints } from "./endpoint-tables.ts";
import { type EvaluationAnswer, evaluationColumns } from "./evaluation-columns.ts";

/** `antctl query …`: questions about policies that the controller answers. */
export function queryCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("query")
    .description("ask the controller which policies and rules concern a Pod, or a connection")
    .addCommand(endpointCommand(connection, environment))
    .addCommand(evaluationCommand(connection, environment));
}

interface EndpointFlags {
  readonly pod: string;
  readonly namespace: string;
  readonly output: string;
}

function endpointCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("endpoint")
    .aliases(["endpoints"])
    .description("the policies that apply to a Pod, and the rules of others that name it (controller mode)")
    .requiredOption("-p, --pod <name>", "the Pod")
    .option("-n, --namespace <namespace>", "its namespace", "default")
    .option("-o, --output <format>", "table, json, yaml or raw", "table")
    .action(async ({ pod, namespace, output }: EndpointFlags) => {
      const format = checkFormat(output);
      const mode = modeOf(environment);
      if (mode !== "controller") throw new NotInThisMode("query endpoint", mode, ["controller"]);
      const parameters = new URLSearchParams({ namespace, pod });
      const answer = await endpointOf({ mode, flags: connection(), environment })(`/endpoint?${parameters}`);
      process.stdout.write(
        format === "table" ? formatEndpoints(answer as EndpointAnswer) : formatAnswer({ answer, format, columns: [], items: [] }),
      );
    });
}

interface EvaluationFlags {
  readonly source: string;
  readonly destination: string;
  readonly output: string;
}

const evaluations = "/apis/controlplane.antrea.io/v1beta2/networkpolicyevaluation";

function evaluationCommand(connection: () => ConnectionFlags, environment: NodeJS.ProcessEnv): Command {
  return new Command("networkpolicyevaluation")
    .aliases(["networkpoliciesevaluation", "networkpolicyeval", "networkpolicieseval", "netpoleval"])
    .description("the rule that decides about connections from one Pod to another, whatever their ports (controller, remote mode)")
    .requiredOption("-S, --source <namespace/pod>", "who opens the connection; in namespace default where none is given")
    .requiredOption("-D, --destination <namespace/pod>", "to whom")
    .option("-o, --output <format>", "table, json, yaml or raw", "table")
    .action(async ({ source, destination, output }: EvaluationFlags) => {
      const format = checkFormat(output);
      const mode = modeOf(environment);
      if (mode === "agent") throw new NotInThisMode("query networkpolicyevaluation", mode, ["controller", "remote"]);
      const body = {
        apiVersion: "controlplane.antrea.io/v1beta2",
        kind: "NetworkPolicyEvaluation",
        request: { source: { pod: podOf(source, "source") }, destination: { pod: podOf(destination, "destination") } },
      };
      const answer = (await endpointOf({ mode, flags: connection(), environment })(evaluations, {
        method: "POST",
        body,
      })) as EvaluationAnswer;
      const items = answer.response === undefined ? [] : [answer.response];
      process.stdout.write(formatAnswer({ answer, format, columns: evaluationColumns, items }));
    });
}

function podOf(text: string, flag: string): { readonly namespace: string; readonly name: string } {
  const parts = text.split("/");
  const [name = "", namespace = "default"] = parts.toReversed();
  if (parts.length > 2 || name === "" || namespace === "") throw new UnsupportedValue(text, flag, "NAMESPACE/POD, or POD");
  return { namespace, name };
}
