// `node fill-heap.ts [most]`: in a heap of 64 MiB keeps more and more, up to so many MiB, and ends with status 5.
import { errorMessage } from "#lib/runtime/errors.ts";
import { heapIsGiven, runAgainWithHeap } from "../large-heap.ts";

const most = Number(process.argv[2] ?? Number.POSITIVE_INFINITY);
if (heapIsGiven()) {
  const kept: number[][] = [];
  while (kept.length < most) kept.push(new Array<number>(2 ** 17).fill(0.5));
  process.exitCode = 5;
} else
  process.exitCode = await runAgainWithHeap(64).catch((error: unknown) => {
    process.stderr.write(`said: ${errorMessage(error)}\n`);
    return 1;
  });
