import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runAgent } from "#agent/wiring.ts";
import { runController } from "#controller/wiring.ts";
import { NoBuild } from "./errors.ts";

/** The programs of one checkout. */
export interface Build {
  readonly runAgent: typeof runAgent;
  readonly runController: typeof runController;
}

export const thisBuild: Build = { runAgent, runController };

/** What a host runs at its start of that number: with several builds each start brings another one, up and down again, and neighbours differ. */
export type BuildChoice = (host: number, start: number) => Build;

export const alternating =
  (builds: readonly [Build, ...Build[]]): BuildChoice =>
  (host, start) =>
    builds[(host + start) % builds.length] ?? builds[0];

/** Loads the programs of another checkout, whose modules are its own. Throws {@link NoBuild}. */
export async function loadBuild(folder: string): Promise<Build> {
  const load = (file: string): Promise<unknown> => import(pathToFileURL(resolve(folder, "src", file)).href);
  try {
    const loaded: unknown[] = await Promise.all([load("agent/wiring.ts"), load("controller/wiring.ts")]);
    const build: unknown = Object.assign({}, ...loaded);
    if (isBuild(build)) return build;
  } catch (error) {
    throw new NoBuild(folder, String(error));
  }
  throw new NoBuild(folder, "its wiring has other names");
}

function isBuild(loaded: unknown): loaded is Build {
  return typeof loaded === "object" && loaded !== null && "runAgent" in loaded && "runController" in loaded;
}
