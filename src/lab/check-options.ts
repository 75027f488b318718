import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { stringify } from "yaml";
import { run } from "./command.ts";
import type { ConfigOptions } from "./config-options.ts";
import { CommandFailed, RefusedOptions } from "./errors.ts";
import { type ProgramName, program } from "./programs.ts";

/**
 * Has the program itself read what it would be configured with, before anything is made or ended for it. Throws {@link RefusedOptions} with the
 * program's words.
 */
export async function checkOptions({
  option,
  name,
  options,
  fromSource,
}: {
  /** The option of the command line that gave them. */
  readonly option: string;
  readonly name: ProgramName;
  readonly options: ConfigOptions;
  readonly fromSource: boolean;
}): Promise<void> {
  if (Object.keys(options).length === 0) return;
  const file = join(tmpdir(), `${name}-${randomUUID()}.conf`);
  const { command, args } = program(name, { fromSource });
  try {
    await writeFile(file, stringify(options), { mode: 0o600 });
    await run(command, [...args, "--check", "--config", file]);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const [said = error.message] = error.stderr.trim().split("\n").slice(-1);
    throw new RefusedOptions(option, said.replace(`${name}: ${file}: `, ""));
  } finally {
    await rm(file, { force: true });
  }
}
