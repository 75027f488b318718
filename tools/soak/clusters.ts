import { fileURLToPath } from "node:url";
import { agreement, states } from "../../src/core/policy/cases/agreement.ts";
import { rowCases, rowsAgreement } from "../../src/core/policy/cases/rows-agreement.ts";
import { systemRandom } from "../../src/lib/runtime/random.ts";

/** Each in another state; some 8 ms of processor time apiece with its packets. */
const defaultClusters = 20_000;
/** Few, as clusters differ more than packets of one do. */
const packetsPerState = 12;

/**
 * Random clusters and packets against what the text says: of Kubernetes policies by flows on switches in memory, of all kinds by the rows that nodes hold. Prints what came of
 * it; true when nothing was wrong. What disagrees is told with the seed of its cluster.
 */
export function clustersPass(seed: number, clusters = defaultClusters): boolean {
  const worlds = Math.ceil(clusters / states);
  const kinds = [
    ["Kubernetes policies", agreement],
    ["policies of all kinds", (options: Parameters<typeof rowCases>[0]) => rowsAgreement(rowCases(options))],
  ] as const;
  return kinds
    .map(([title, compare]) => {
      const { packets, allowed, disagreement } = compare({ seed, worlds, packetsPerState });
      process.stdout.write(`${title}: ${worlds * states} random clusters, ${packets} packets, ${allowed} of them allowed\n`);
      if (disagreement !== undefined) process.stdout.write(`  ${disagreement}\n`);
      return disagreement === undefined;
    })
    .every((agree) => agree);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [seed = String(systemRandom.below(2 ** 32)), clusters] = process.argv.slice(2);
  process.stdout.write(`seed ${seed}\n`);
  process.exitCode = clustersPass(Number(seed), clusters === undefined ? defaultClusters : Number(clusters)) ? 0 : 1;
}
