// The companies, `node growth.ts SCALE` times as many.
import { compute, peakMegabytes, timed } from "./compute.ts";
import { companies } from "./shapes.ts";

const scale = Number(process.argv[2]);
const objects = companies(scale);
const count = objects.namespaces.length + objects.pods.length + objects.policies.length;
const before = process.memoryUsage().rss / 1e6;
const { seconds, processorSeconds } = timed(() => void compute(objects));
// Memory beside the objects, which the caller made.
process.stdout.write(
  JSON.stringify({ seconds: seconds / count, processorSeconds: processorSeconds / count, megabytes: (peakMegabytes() - before) / count }),
);
