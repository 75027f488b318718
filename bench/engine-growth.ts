import type { Bench } from "./bench.ts";
import { inOwnProcess } from "./policy-shapes/child.ts";

/** Whether time and memory for each object stay what they are as the cluster grows to eight times its size: the largest ratio to the size of one. */
export const bench: Bench = {
  goals: { growth_time: { atMost: 1.2 }, growth_rss: { atMost: 1.2 } },
  async run({ print }) {
    const one = await inOwnProcess("growth.ts", "1");
    let growthTime = 1;
    let growthRss = 1;
    for (const scale of [2, 4, 8]) {
      const many = await inOwnProcess("growth.ts", String(scale));
      const [time = 1, rss = 1] = (["processorSeconds", "megabytes"] as const).map((figure) => (many[figure] ?? 0) / (one[figure] ?? 1));
      print(`${scale} times: ${time.toFixed(2)} of the time and ${rss.toFixed(2)} of the memory for each object`);
      growthTime = Math.max(growthTime, time);
      growthRss = Math.max(growthRss, rss);
    }
    return { growth_time: growthTime, growth_rss: growthRss };
  },
};
