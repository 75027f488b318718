// A thousand queries of one pod each where 10 000 policies select all: `node endpoint-query.ts`.
import { queryEndpoint } from "../../src/controller/endpoint-query.ts";
import { compute, peakMegabytes, timed } from "./compute.ts";
import { shapes } from "./shapes.ts";

const objects = shapes.one_namespace();
const { engine } = compute(objects);
let found = 0;
const { seconds, processorSeconds } = timed(() => {
  for (const { metadata } of objects.pods.slice(0, 1_000)) {
    const answer = queryEndpoint(engine, { namespace: metadata.namespace ?? "", name: metadata.name ?? "" });
    found += answer?.endpoints[0]?.policies.length ?? 0;
  }
});
if (found !== 1_000 * objects.policies.length) throw new Error(`${found} policies found`);
process.stdout.write(JSON.stringify({ seconds, processorSeconds, megabytes: peakMegabytes() }));
