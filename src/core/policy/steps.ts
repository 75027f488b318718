/** Work that its caller goes on with when it likes: each step is short, and the last returns the result. */
export type Steps<Result> = Generator<undefined, Result, undefined>;

/** Items of one step. A step of these takes well below a millisecond, unless an item itself is large. */
const itemsPerStep = 64;

export function* eachInSteps<Item>(items: Iterable<Item>, visit: (item: Item) => void): Steps<void> {
  let left = itemsPerStep;
  for (const item of items) {
    visit(item);
    if (--left > 0) continue;
    left = itemsPerStep;
    yield;
  }
}

/** All steps at once. */
export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
