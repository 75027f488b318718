/** The same items for everybody who goes through them, each made once and when it is first asked for. */
export function eachOnce<Item>(items: Iterator<Item>): Iterable<Item> {
  const made: Item[] = [];
  return {
    *[Symbol.iterator]() {
      for (let index = 0; ; index++) {
        if (index === made.length) {
          const { done, value } = items.next();
          if (done) return;
          made.push(value);
        }
        yield made[index] as Item;
      }
    },
  };
}
