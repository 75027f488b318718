import { fileURLToPath } from "node:url";
import { agreement, states } from "../../src/core/policy/cases/agreement.ts";
import { rowCases, rowsAgreement } from "../../src/core/policy/cases/rows-agreement.ts";
import { systemRandom } from "../../src/lib/runtime/random.ts";
import { nextTurn, type PassOptions, playAlone } from "./pass.ts";

/** Each in another state; some 8 ms of processor time apiece with its packets. */
const defaultClusters = 20_000;
/** Few, as clusters differ more than packets of one do. */
const packetsPerState = 12;
/** Some half a second of processor time. */
const worldsAtOnce = 20;

/**
 * Random clusters and packets against what the text says: of Kubernetes policies by flows on switches in memory, of all kinds by the rows that nodes hold.
 * What disagrees is told with the seed of its cluster.
 */
export async function clustersPass({ seed, print, signal }: PassOptions, clusters = defaultClusters): Promise<readonly string[]> {
  const worlds = Math.ceil(clusters / states);
  const wrong: string[] = [];
  const kinds = [
    ["Kubernetes policies", agreement],
    ["policies of all kinds", (options: Parameters<typeof rowCases>[0]) => rowsAgreement(rowCases(options))],
  ] as const;
  for (const [title, compare] of kinds) {
    const seen = { worlds: 0, packets: 0, allowed: 0 };
    let disagreement: string | undefined;
    while (seen.worlds < worlds && disagreement === undefined && !signal.aborted) {
      // Each cluster has a seed of its own, one after the other.
      const size = Math.min(worldsAtOnce, worlds - seen.worlds);
      const batch = compare({ seed: seed + seen.worlds, worlds: size, packetsPerState });
      seen.worlds += size;
      seen.packets += batch.packets;
      seen.allowed += batch.allowed;
      ({ disagreement } = batch);
      await nextTurn();
    }
    print(`${title}: ${seen.worlds * states} random clusters, ${seen.packets} packets, ${seen.allowed} of them allowed`);
    if (disagreement !== undefined) wrong.push(`${title}: ${disagreement}`);
  }
  return wrong;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [seed = String(systemRandom.below(2 ** 32)), clusters] = process.argv.slice(2);
  await playAlone((options) => clustersPass(options, clusters === undefined ? defaultClusters : Number(clusters)), Number(seed));
}
