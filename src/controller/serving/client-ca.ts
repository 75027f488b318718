import { readFileSync } from "node:fs";
import { InvalidConfig } from "#lib/config-file/index.ts";
import { fileProblem } from "#lib/runtime/errors.ts";

/** The authorities of `clientCAFile`; undefined when the key is empty. Throws {@link InvalidConfig}. */
export function readClientCa(file: string, configFile: string): string | undefined {
  if (file === "") return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidConfig(configFile, "clientCAFile", `cannot be read: ${fileProblem(error)}`);
  }
}
