import { parentPort } from "node:worker_threads";
import { errorMessage } from "#lib/runtime/index.ts";
import { mutantCalled } from "../mutants.ts";
import { runScenario } from "../run.ts";
import type { Asked, Told } from "./simulations.ts";

// The thread that runs scenarios for tests, one after the other.

const tell = (told: Told): void => parentPort?.postMessage(told);

parentPort?.on("message", ({ mutant, ...asked }: Asked) => {
  runScenario({ ...asked, ...(mutant === undefined ? {} : { mutant: mutantCalled(mutant) }) }).then(
    (outcome) => tell({ outcome }),
    (error: unknown) => tell({ problem: errorMessage(error) }),
  );
});
