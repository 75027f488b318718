// Preloaded into an agent under test (`node --import`): SIGUSR2 ends its worker threads, as a defect in one would.
import { syncBuiltinESMExports } from "node:module";
import workerThreads from "node:worker_threads";

workerThreads.Worker = class extends workerThreads.Worker {
  constructor(...args: ConstructorParameters<typeof workerThreads.Worker>) {
    super(...args);
    process.on("SIGUSR2", () => void this.terminate());
  }
};
syncBuiltinESMExports();
