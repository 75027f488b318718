/** As Promise.all, but a failure is told only when all have ended: what cleans up afterwards must not race with what still makes things. */
export async function together(tasks: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(tasks);
  await Promise.all(tasks);
}
