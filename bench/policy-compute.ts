import type { Bench } from "./bench.ts";
import { inOwnProcess } from "./policy-shapes/child.ts";
import { type ShapeName, shapes } from "./policy-shapes/shapes.ts";

/** From the first object handed to the engine to all outputs delivered to a watcher, in the shapes that upstream measures; each in its own process. */
export const bench: Bench = {
  goals: {
    small_namespaces_s: 0.8,
    small_namespaces_rss_mb: 700,
    large_namespaces_s: 0.2,
    large_namespaces_rss_mb: 400,
    one_namespace_s: 0.06,
    one_namespace_rss_mb: 200,
    policy_per_pod_s: 0.15,
    policy_per_pod_rss_mb: 200,
    companies_s: 0.2,
    companies_rss_mb: 400,
    external_entities_s: 0.15,
    external_entities_rss_mb: 200,
    endpoint_query_s: 0.5,
  },
  async run({ print }) {
    const figures: Record<string, number> = {};
    for (const name of Object.keys(shapes) as ShapeName[]) {
      const { seconds = nan, processorSeconds = nan, allThreadsSeconds = nan, megabytes = nan } = await inOwnProcess("one-shape.ts", name);
      print(
        `${name}: ${seconds.toFixed(3)} s, of processor time ${processorSeconds.toFixed(3)} s in the thread and ` +
          `${allThreadsSeconds.toFixed(3)} s in all, ${megabytes.toFixed(0)} MB`,
      );
      figures[`${name}_s`] = seconds;
      figures[`${name}_cpu_s`] = processorSeconds;
      figures[`${name}_all_cpu_s`] = allThreadsSeconds;
      figures[`${name}_rss_mb`] = megabytes;
    }
    const query = await inOwnProcess("endpoint-query.ts");
    figures.endpoint_query_s = query.seconds ?? nan;
    figures.endpoint_query_cpu_s = query.processorSeconds ?? nan;
    return figures;
  },
};

const nan = Number.NaN;
