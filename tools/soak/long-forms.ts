import type { PassOptions } from "./pass.ts";
import { testsPass } from "./tests-pass.ts";

/** A test that starts daemons of its own: one of `npm test` with more of the same, or one that `npm test` has no time for. */
interface LongForm {
  readonly title: string;
  readonly file: string;
  /** Name of the lab that it has, if any. */
  readonly lab?: string;
  readonly environment: (seed: string) => Readonly<Record<string, string>>;
}

const longForms: readonly LongForm[] = [
  {
    title: "500 changes by hand, one after the other, each put back within 10 s",
    file: "src/agent/drift.real.test.ts",
    environment: (seed) => ({ DRIFT_RUNS: "500", DRIFT_SEED: seed, DRIFT_WITHIN: "10" }),
  },
  {
    title: "1 000 changes of policies under as many packets as Open vSwitch takes",
    file: "src/agent/flows/no-window/full-rate.real.test.ts",
    environment: (seed) => ({ NO_WINDOW_CHANGES: "1000", NO_WINDOW_SEED: seed }),
  },
  {
    title: "2 000 changes in several bundles over connections that break at any byte",
    file: "src/lib/openflow/cut.real.test.ts",
    environment: (seed) => ({ CUTS: "2000", CUT_SEED: seed }),
  },
  {
    title: "40 000 packets through Open vSwitch and the switch in memory",
    file: "src/lib/openflow/testing/differential/differential.real.test.ts",
    environment: (seed) => ({ DIFFERENTIAL_FRAMES: "5000", DIFFERENTIAL_SEED: seed }),
  },
  {
    title: "50 pods a second made and deleted, longer than addresses are kept back",
    file: "src/agent/churn.real.test.ts",
    environment: () => ({ CHURN_SECONDS: "70" }),
  },
  {
    title: "an agent of 200 pods goes and comes back beside 1 000 packets a second of each kind and family, once after ten minutes",
    file: "src/agent/restart.real.test.ts",
    environment: () => ({ RESTART_PODS: "200", RESTART_RATE: "1000", RESTART_AWAY: "600" }),
  },
  {
    title: "every traffic mode on one lab, with packets as large as its MTU, hostPort, bandwidth, masquerade and a policy",
    file: "e2e/modes/modes.test.ts",
    lab: "e2e-modes",
    environment: () => ({}),
  },
];

/** Plays the long form of tests of daemons, one after the other. Resolves with what failed, and how to repeat it. */
export async function longFormsPass({ seed, print, signal }: PassOptions): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { title, file, environment, lab } of longForms) {
    const variables = environment(String(seed));
    print(`${title}, seed ${seed}`);
    const args = ["--test", "--test-reporter=spec", file];
    const passed = await testsPass({ args, environment: variables, ...(lab === undefined ? {} : { lab }), signal });
    if (signal.aborted) break;
    if (passed) continue;
    const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    wrong.push(`${title}: ${words.join(" ")} node --test ${file}`);
  }
  return wrong;
}
