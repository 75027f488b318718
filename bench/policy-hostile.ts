import type { Bench } from "./bench.ts";
import { inOwnProcess } from "./policy-shapes/child.ts";
import { hostileShapes } from "./policy-shapes/hostile-shapes.ts";

/** Whether what somebody may write to do harm costs in proportion to its size: processor time at full size, and how much of it at half. 2 is proportion. */
export const bench: Bench = {
  goals: Object.fromEntries(Object.keys(hostileShapes).map((name) => [`${name}_growth`, { atMost: 3 }])),
  async run({ print }) {
    const figures: Record<string, number> = {};
    for (const [name, { size }] of Object.entries(hostileShapes)) {
      // The least of two: the rest is the machine's.
      const least = async (count: number): Promise<number> => {
        const runs = [await inOwnProcess("hostile.ts", name, String(count)), await inOwnProcess("hostile.ts", name, String(count))];
        return Math.min(...runs.map(({ processorSeconds = Number.NaN }) => processorSeconds));
      };
      const half = await least(size / 2);
      const full = await least(size);
      print(`${name} of ${size}: ${full.toFixed(3)} s of processor time, at half the size ${half.toFixed(3)} s`);
      figures[`${name}_cpu_s`] = full;
      figures[`${name}_growth`] = full / half;
    }
    return figures;
  },
};
