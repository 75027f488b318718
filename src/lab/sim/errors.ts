import { CodedError } from "#lib/runtime/errors.ts";

/** The file is no scenario, or one of another version. */
export class InvalidScenario extends CodedError {
  constructor(file: string, problem: string) {
    super("INVALID_SCENARIO", `${file}: ${problem}`);
  }
}

/** No mistake of that name can be built into agents. */
export class UnknownMutant extends CodedError {
  constructor(name: string, known: readonly string[]) {
    super("UNKNOWN_MUTANT", `no mutant ${JSON.stringify(name)}: one of ${known.join(", ")}`);
  }
}

/** A folder is no checkout whose programs can be simulated. */
export class NoBuild extends CodedError {
  constructor(folder: string, reason: string) {
    super("NO_BUILD", `${folder}: no agent and controller to simulate: ${reason}`);
  }
}

/** A file of a simulated disk that is not there. The code is the system's. */
export class NoSuchFile extends CodedError {
  constructor(path: string) {
    super("ENOENT", `no such file: ${path}`);
  }
}

/** A simulated disk that is full. The code is the system's. */
export class DiskFull extends CodedError {
  constructor(path: string) {
    super("ENOSPC", `no space left on device: ${path}`);
  }
}

/** antrea-cni, as a simulated kubelet runs it, failed. */
export class PluginFailed extends CodedError {
  constructor(reason: string) {
    super("SIM_PLUGIN_FAILED", reason);
  }
}

/** More agents and pods than the memory has room for. */
export class SimulationTooLarge extends CodedError {
  constructor(heapMebibytes: number) {
    super(
      "SIMULATION_TOO_LARGE",
      `the simulation takes more than the ${(heapMebibytes / 1_024).toFixed(1)} GiB that its heap may have: use fewer --nodes or --pods, or a machine with more memory`,
    );
  }
}
