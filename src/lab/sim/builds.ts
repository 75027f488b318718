import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { discoverControllers } from "#agent/controllers/discover.ts";
import { runAgent } from "#agent/wiring.ts";
import { runController } from "#controller/wiring.ts";
import { followServiceReplicas } from "#lib/daemon/service-replicas.ts";
import { createKubeClient } from "#lib/kube/client.ts";
import { NoBuild } from "./errors.ts";

/** The programs of one checkout, and what of their platforms knows errors by their classes, which are a checkout's own. */
export interface Build {
  readonly runAgent: typeof runAgent;
  readonly runController: typeof runController;
  readonly createKubeClient: typeof createKubeClient;
  readonly discoverControllers: typeof discoverControllers;
  readonly followServiceReplicas: typeof followServiceReplicas;
  /** Of another version: the flows that its agents want may be others. */
  readonly isOther?: true;
}

export const thisBuild: Build = { runAgent, runController, createKubeClient, discoverControllers, followServiceReplicas };

/** Where each is exported. */
const files: Readonly<Record<keyof Omit<Build, "isOther">, string>> = {
  runAgent: "agent/wiring.ts",
  runController: "controller/wiring.ts",
  createKubeClient: "lib/kube/client.ts",
  discoverControllers: "agent/controllers/discover.ts",
  followServiceReplicas: "lib/daemon/service-replicas.ts",
};

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
    const loaded: unknown[] = await Promise.all(Object.values(files).map(load));
    const build: unknown = Object.assign({}, ...loaded, { isOther: true });
    if (isBuild(build)) return build;
  } catch (error) {
    throw new NoBuild(folder, String(error));
  }
  throw new NoBuild(folder, `it lacks one of ${Object.keys(files).join(", ")}`);
}

function isBuild(loaded: unknown): loaded is Build {
  return typeof loaded === "object" && loaded !== null && Object.keys(files).every((name) => name in loaded);
}
