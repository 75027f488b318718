// Preloaded into an agent under test (`node --import`): on SIGUSR2 it collects garbage and logs how much memory of its main thread is in use.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

process.on("SIGUSR2", () => {
  // Twice: what finalizers let go of in the first is free in the second.
  collect();
  setImmediate(() => {
    collect();
    process.stderr.write(`${JSON.stringify({ message: "heap", usedBytes: process.memoryUsage().heapUsed })}\n`);
  });
});
