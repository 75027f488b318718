import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Roster } from "./roster.ts";

test("every item is where it was told to be, whoever left before it", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20), { nil: undefined }), { maxLength: 60, size: "max" }), (steps) => {
      const roster = new Roster<{ place: number }>();
      const known: { place: number }[] = [];
      for (const leaving of steps) {
        if (leaving === undefined) {
          const item = { place: -1 };
          item.place = roster.add(item);
          known.push(item);
        } else if (known.length > 0) {
          const [item] = known.splice(leaving % known.length, 1);
          const moved = roster.remove(item?.place ?? -1);
          if (moved !== undefined) moved.place = item?.place ?? -1;
        }
        assert.equal(roster.size, known.length);
        for (const item of known) assert.equal(roster.items[item.place], item);
      }
    }),
  );
});
