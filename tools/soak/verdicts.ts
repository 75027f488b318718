import { seconds } from "../../src/lib/runtime/duration.ts";
import type { Kill } from "./kills.ts";
import type { Sample, WatchedWay } from "./watched-ways.ts";

/**
 * Whose death stops the data path in user space. vswitchd is it; and without its database vswitchd polls no port on its main thread, also with
 * nothing but a learning switch on it (tried: Open vSwitch 3.1).
 */
const dataPath = ["ovs-vswitchd", "ovsdb-server"];
/** So long a way may be interrupted after such a death: restart, reconnection by backoff, flows. */
const outageLimit = seconds(20);

/** What the samples of one way say against what was promised, in words; empty when all is well. */
export function judge({ name, open }: Pick<WatchedWay, "name" | "open">, samples: readonly Sample[], kills: readonly Kill[]): string[] {
  if (samples.length === 0) return [`${name}: there is no sample`];
  const when = ({ at }: Sample): string => new Date(at).toISOString();
  if (!open)
    return samples.filter(({ verdict }) => verdict === "ok").map((sample) => `${name}: open at ${when(sample)}${lately(sample, kills)}`);
  const excused = (sample: Sample): boolean =>
    kills.some(
      ({ at, process, until = at }) =>
        dataPath.some((name) => process.endsWith(`/${name}`)) && sample.at >= at - seconds(1) && sample.at < until + outageLimit,
    );
  return samples
    .filter((sample) => sample.verdict !== "ok" && !excused(sample))
    .map((sample) => `${name}: ${sample.verdict} at ${when(sample)}${lately(sample, kills)}`);
}

/** The longest time without an answer, in ms. */
export function longestOutage(samples: readonly Sample[]): number {
  const answered = samples
    .filter(({ verdict }) => verdict === "ok")
    .map(({ at }) => at)
    .sort((one, other) => one - other);
  return Math.max(0, ...answered.slice(1).map((at, index) => at - (answered[index] ?? at)));
}

function lately(sample: Sample, kills: readonly Kill[]): string {
  const last = kills.findLast(({ at }) => at <= sample.at);
  return last === undefined
    ? ""
    : `, ${((sample.at - last.at) / 1_000).toFixed(1)} s after the ${last.until === undefined ? "kill" : "stop"} of ${last.process}`;
}
