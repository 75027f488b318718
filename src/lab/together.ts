/** As Promise.all, but a failure is told only when all have ended: what cleans up afterwards must not race with what still makes things. */
export async function together(tasks: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(tasks);
  await Promise.all(tasks);
}

/** One after the other, the rest also behind one that failed; throws the first failure when all have ended: what one cannot remove is no reason to leave what the next would. */
export async function inTurn(steps: readonly (() => Promise<unknown> | undefined)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps)
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw failures[0];
}
