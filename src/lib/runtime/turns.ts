import type { Clock } from "./clock.ts";

/** Takes tasks that it runs later, in the order they came. */
export type Turns = (task: () => void) => void;

/** One task in each turn of the event loop: many at once, such as ending a thousand connections, hold up nothing else. */
export function createTurns(clock: Pick<Clock, "soon">): Turns {
  const waiting: (() => void)[] = [];
  let next = 0;
  const run = (): void => {
    const task = waiting[next++];
    if (next < waiting.length) clock.soon(run);
    else {
      waiting.length = 0;
      next = 0;
    }
    task?.();
  };
  return (task) => {
    waiting.push(task);
    if (waiting.length - next === 1) clock.soon(run);
  };
}
