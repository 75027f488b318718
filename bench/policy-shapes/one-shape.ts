// One shape in a process of its own: `node one-shape.ts NAME`.
import { compute, peakMegabytes, timed } from "./compute.ts";
import { type ShapeName, shapes } from "./shapes.ts";

const objects = shapes[process.argv[2] as ShapeName]();
const took = timed(() => void compute(objects));
process.stdout.write(JSON.stringify({ ...took, megabytes: peakMegabytes() }));
