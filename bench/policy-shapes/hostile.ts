// One hostile shape in a process of its own: `node hostile.ts NAME COUNT`.
import { timed, watch } from "./compute.ts";
import { hostileShapes } from "./hostile-shapes.ts";

const { around, write } = hostileShapes[process.argv[2] ?? ""] ?? {};
if (around === undefined || write === undefined) throw new Error("no such shape");
const count = Number(process.argv[3]);
const objects = around(count);
objects.flush();
const { seconds, processorSeconds } = timed(() => {
  write(objects, count);
  watch(objects.flush());
});
process.stdout.write(JSON.stringify({ seconds, processorSeconds }));
