import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../src/lab/programs.ts";
import { unsuitable } from "../../src/lab/script/place.ts";
import { runScript } from "../../src/lab/script/run-script.ts";
import { parseScript } from "../../src/lab/script/script.ts";
import { startSimulatedPlace } from "../../src/lab/sim/scripts/place.ts";
import { errorMessage } from "../../src/lib/runtime/errors.ts";
import { orAborted } from "../../src/lib/runtime/or-aborted.ts";
import type { PassOptions } from "./pass.ts";

/** The lab's script tests that need no machines, in the simulator. Resolves with what was wrong. */
export async function simScriptsPass({ print, signal }: PassOptions): Promise<readonly string[]> {
  const wrong: string[] = [];
  const folder = join(projectFolder, "e2e", "scripts");
  const { place, close } = await startSimulatedPlace();
  let played = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".script"))) {
    const script = parseScript(readFileSync(join(folder, file), "utf8"));
    if (unsuitable(script, place) !== undefined) continue;
    const failed = await orAborted(runScript({ script, place }), signal).then(
      () => undefined,
      (error: unknown) => errorMessage(error),
    );
    if (signal.aborted) break;
    played++;
    if (failed !== undefined) wrong.push(`${file} in the simulator: ${failed}`);
  }
  await close();
  print(`${played} scripts of the lab played in the simulator, ${wrong.length} with something wrong`);
  return wrong;
}
