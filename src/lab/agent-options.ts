import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { errorMessage } from "#lib/runtime/errors.ts";
import { InvalidLabOption } from "./errors.ts";

/** A part of `antrea-agent.conf`, as YAML has it: what a lab's agents are configured with beyond what the lab itself needs. */
export type AgentOptions = Readonly<Record<string, unknown>>;

/** Keys that the lab lives by; with other values its nodes would not come up. */
const ownKeys = ["ovsRunDir", "runDir", "logDir", "cniSocket", "hostProcPathPrefix", "clientConnection", "antreaClientConnection"];

const option = "--agent-config";

/** Where a lab's nodes forward: in user space, or in the machine's kernel. */
export type Datapath = "netdev" | "system";
const datapaths: readonly Datapath[] = ["netdev", "system"];

/** The datapath that the options ask for: user space unless they say otherwise, since it needs nothing of the machine's kernel. */
export const datapathOf = ({ ovsDatapathType }: AgentOptions): Datapath => (ovsDatapathType === "system" ? "system" : "netdev");

/** Reads what was given on the command line, later ones over earlier ones: `KEY=VALUE` (KEY with dots, VALUE in YAML) or the name of a file. */
export function readAgentOptions(given: readonly string[]): AgentOptions {
  const options = given.map((text) => (/^[A-Za-z][\w.]*=/.test(text) ? assigned(text) : inFile(text))).reduce(merge, {});
  const own = ownKeys.find((key) => Object.hasOwn(options, key));
  if (own !== undefined) throw new InvalidLabOption(option, own, "the lab sets this key itself");
  const { ovsDatapathType } = options;
  if (ovsDatapathType !== undefined && !datapaths.some((datapath) => datapath === ovsDatapathType))
    throw new InvalidLabOption(option, `ovsDatapathType=${JSON.stringify(ovsDatapathType)}`, `must be one of ${datapaths.join(", ")}`);
  return options;
}

function assigned(text: string): AgentOptions {
  const [path = "", value = ""] = [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)];
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), fromYaml(text, value)) as AgentOptions;
}

function inFile(file: string): AgentOptions {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidLabOption(option, file, `is neither KEY=VALUE nor a file that can be read: ${errorMessage(error)}`);
  }
  const value = fromYaml(file, content) ?? {};
  if (!isMap(value)) throw new InvalidLabOption(option, file, "the file must be a map of keys to values");
  return value;
}

function fromYaml(given: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new InvalidLabOption(option, given, `is not YAML: ${errorMessage(error).split("\n")[0]}`);
  }
}

/** Maps are joined, anything else is replaced. */
export function merge(base: AgentOptions, over: AgentOptions): AgentOptions {
  const joined = Object.entries(over).map(([key, value]) => {
    const before = base[key];
    return [key, isMap(value) && isMap(before) ? merge(before, value) : value];
  });
  return { ...base, ...Object.fromEntries(joined) };
}

const isMap = (value: unknown): value is AgentOptions => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether pods' interfaces are made by another plugin before ours. */
export const isChained = ({ trafficEncapMode }: AgentOptions): boolean =>
  typeof trafficEncapMode === "string" && trafficEncapMode.toLowerCase() === "networkpolicyonly";
