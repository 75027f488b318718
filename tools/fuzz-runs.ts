// Preloaded by `node --import`. FUZZ_RUNS in the environment is how often property tests run that do not set a number themselves, FUZZ_SEED the seed
// that all begin with; without it each run draws its own, and fast-check prints that of what fails.
import fc from "fast-check";

const runs = Number(process.env.FUZZ_RUNS);
if (Number.isSafeInteger(runs) && runs > 0) fc.configureGlobal({ ...fc.readConfigureGlobal(), numRuns: runs });
const seed = Number(process.env.FUZZ_SEED ?? Number.NaN);
if (Number.isSafeInteger(seed)) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
