import { parseArgs } from "node:util";
import { parseDuration } from "#lib/runtime/duration.ts";

/** A wrong flag or argument: one line, exit code 1, as the well-known image has it. */
export class UsageError extends Error {}

export interface Flags {
  readonly arguments: readonly string[];
  text(name: string, initial: string): string;
  number(name: string, initial: number): number;
  /** Go durations (`1s`, `500ms`), in milliseconds. */
  duration(name: string, initial: number): number;
  truth(name: string, initial: boolean): boolean;
}

/** Reads `--name=value`, `--name value` and, for the names in `truths`, a bare `--name`. Throws {@link UsageError}. */
export function readFlags(args: readonly string[], names: readonly string[], truths: readonly string[] = []): Flags {
  const known = Object.fromEntries(
    [...names, ...truths].map((name) => [name, { type: truths.includes(name) ? ("boolean" as const) : ("string" as const) }]),
  );
  const { values, positionals } = parse(joinNegatives(joinTruths(args, truths)), known);
  const given = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  const wrong = (name: string, kind: string): UsageError => new UsageError(`--${name}: ${JSON.stringify(given(name))} is not a ${kind}`);
  return {
    arguments: positionals,
    text: (name, initial) => given(name) ?? initial,
    number(name, initial) {
      const value = Number(given(name) ?? initial);
      if (!Number.isInteger(value)) throw wrong(name, "whole number");
      return value;
    },
    duration(name, initial) {
      const text = given(name);
      const value = text === undefined ? initial : parseDuration(text);
      if (value === undefined) throw wrong(name, "duration such as 1s or 500ms");
      return value;
    },
    truth(name, initial) {
      const value = values[name];
      return typeof value === "boolean" ? value : initial;
    },
  };
}

function parse(args: readonly string[], options: Record<string, { type: "string" | "boolean" }>) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, allowNegative: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** `--udp-port -1` is one flag with its value. */
function joinNegatives(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const last = joined.at(-1);
    if (/^-\d+$/.test(arg) && last?.startsWith("--") && !last.includes("=")) joined[joined.length - 1] = `${last}=${arg}`;
    else joined.push(arg);
  }
  return joined;
}

/** `--http=false` is `--no-http`. */
function joinTruths(args: readonly string[], truths: readonly string[]): string[] {
  return args.map((arg) => {
    const [, name = "", value] = /^--([\w-]+)=(true|false)$/.exec(arg) ?? [];
    if (!truths.includes(name)) return arg;
    return value === "true" ? `--${name}` : `--no-${name}`;
  });
}
