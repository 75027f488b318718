// Preloaded by `node --import`: FUZZ_RUNS in the environment is how often property tests run that do not set a number themselves.
import fc from "fast-check";

const runs = Number(process.env.FUZZ_RUNS);
if (Number.isSafeInteger(runs) && runs > 0) fc.configureGlobal({ ...fc.readConfigureGlobal(), numRuns: runs });
