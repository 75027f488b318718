import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { errorMessage, fileProblem } from "#lib/runtime/errors.ts";
import { InvalidLabOption } from "./errors.ts";

/** A part of a program's configuration file, as YAML has it. */
export type ConfigOptions = Readonly<Record<string, unknown>>;

export interface ConfigOptionsFlag {
  /** The option of the command line, such as `--agent-config`. */
  readonly option: string;
  /** Keys that the lab lives by; with other values it would not come up. */
  readonly ownKeys: readonly string[];
}

/**
 * Reads what was given on the command line, later ones over earlier ones: `KEY=VALUE` (KEY with dots, VALUE in YAML) or the name of a file. Throws
 * {@link InvalidLabOption} with what was given.
 */
export function readConfigOptions(given: readonly string[], { option, ownKeys }: ConfigOptionsFlag): ConfigOptions {
  const options = given.map((text) => (/^[A-Za-z][\w.]*=/.test(text) ? assigned(option, text) : inFile(option, text))).reduce(merge, {});
  const own = ownKeys.find((key) => Object.hasOwn(options, key));
  if (own !== undefined) throw new InvalidLabOption(option, own, "the lab sets this key itself");
  return options;
}

function assigned(option: string, text: string): ConfigOptions {
  const [path = "", value = ""] = [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)];
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), fromYaml(option, text, value)) as ConfigOptions;
}

function inFile(option: string, file: string): ConfigOptions {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidLabOption(option, file, `is neither KEY=VALUE nor a file that can be read: ${fileProblem(error)}`);
  }
  const value = fromYaml(option, file, content) ?? {};
  if (!isMap(value)) throw new InvalidLabOption(option, file, "the file must be a map of keys to values");
  return value;
}

function fromYaml(option: string, given: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new InvalidLabOption(option, given, `is not YAML: ${errorMessage(error).split("\n")[0]?.replace(/:$/, "")}`);
  }
}

/** Maps are joined, anything else is replaced. */
export function merge(base: ConfigOptions, over: ConfigOptions): ConfigOptions {
  const joined = Object.entries(over).map(([key, value]) => {
    const before = base[key];
    return [key, isMap(value) && isMap(before) ? merge(before, value) : value];
  });
  return { ...base, ...Object.fromEntries(joined) };
}

const isMap = (value: unknown): value is ConfigOptions => typeof value === "object" && value !== null && !Array.isArray(value);
