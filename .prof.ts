import { bench } from "/work/w-sim/bench/sim.ts";
const result = await bench.run({ print: (t: string) => console.log(t) } as any);
console.log(JSON.stringify(result));
process.exit(0);
