import { CniError, type CniErrorText, errorText } from "#lib/cni/errors.ts";
import { type CniRequest, requestForm } from "#lib/cni/message.ts";
import { implicitVersion, isCommand, supportedVersions } from "#lib/cni/versions.ts";
import { askAgent } from "./agent.ts";
import { version } from "./version.ts";

/** Where the agent listens unless the network configuration says otherwise by `agentSocket`. */
export const usualAgentSocket = "/var/run/antrea/cni.sock";

export interface Outcome {
  /** 0, or 1 when `output` is an error. */
  readonly status: 0 | 1;
  /** For standard output: a result or an error, in the form of the CNI specification; empty where there is nothing to say. */
  readonly output: string;
  readonly errors: string;
}

/** One run of the executable: the runtime's environment and configuration in, what it shall hear out. Never rejects. */
export async function run(call: {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readConfig: () => string;
}): Promise<Outcome> {
  const variable = (name: string): string => call.environment[name] ?? "";
  const command = variable("CNI_COMMAND");
  if (command === "") return { status: 0, output: "", errors: `Antrea CNI ${version}\n` };
  let config: Readonly<Record<string, unknown>> = {};
  try {
    if (!isCommand(command)) throw new CniError("invalidEnvironment", `CNI_COMMAND is ${JSON.stringify(command)}: no such command`);
    const text = read(call.readConfig);
    config = parse(text);
    if (command === "VERSION") return succeeded({ cniVersion: versionOf(config), supportedVersions });
    const request: CniRequest = {
      form: requestForm,
      command,
      containerId: variable("CNI_CONTAINERID"),
      netns: variable("CNI_NETNS"),
      ifname: variable("CNI_IFNAME"),
      args: variable("CNI_ARGS"),
      path: variable("CNI_PATH"),
      config: text,
    };
    const reply = await askAgent(socketOf(config), request);
    if ("error" in reply) return failed(reply.error);
    return command === "ADD" ? succeeded(reply.result) : { status: 0, output: "", errors: "" };
  } catch (error) {
    const failure = error instanceof CniError ? error : new CniError("unknown", error instanceof Error ? error.message : String(error));
    return failed(errorText(versionOf(config), failure));
  }
}

function read(readConfig: () => string): string {
  try {
    return readConfig();
  } catch (error) {
    throw new CniError("ioFailure", `standard input cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === "object" && config !== null && !Array.isArray(config)) return config as Record<string, unknown>;
  } catch {
    // told below
  }
  throw new CniError("decodingFailure", "network configuration on standard input is no JSON object");
}

/** The agent judges everything else of the configuration. */
function socketOf({ agentSocket }: Readonly<Record<string, unknown>>): string {
  if (agentSocket === undefined) return usualAgentSocket;
  if (typeof agentSocket === "string" && agentSocket.startsWith("/")) return agentSocket;
  throw new CniError("invalidConfig", "network configuration: agentSocket is no absolute path");
}

function versionOf({ cniVersion }: Readonly<Record<string, unknown>>): string {
  return typeof cniVersion === "string" ? cniVersion : implicitVersion;
}

function succeeded(result: unknown): Outcome {
  return { status: 0, output: `${JSON.stringify(result)}\n`, errors: "" };
}

function failed(error: CniErrorText): Outcome {
  return { status: 1, output: `${JSON.stringify(error)}\n`, errors: "" };
}
