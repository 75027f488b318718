import type { Decoded } from "#core/api/controlplane/index.ts";
import * as json from "#core/api/controlplane/json.ts";
import { bitsPerPage } from "#core/sets/index.ts";
import type { LayerAllocations, OrderedPlace, PolicyAllocations, SideAllocations } from "./allocations.ts";
import type { SegmentNumbers } from "./layers.ts";

const bits16 = { from: 0, to: 0xffff };
const bits32 = { from: 0, to: 0xffff_ffff };
const bit = { from: 0, to: bitsPerPage - 1 };

/** Reads parsed JSON of {@link PolicyAllocations}. Total: numbers that no field of the switch has room for are refused. */
export function decodeAllocations(value: unknown): Decoded<PolicyAllocations> {
  return json.decoding(() => {
    const both = json.root(value, "allocations");
    return { In: side(json.field(both, "In")), Out: side(json.field(both, "Out")) };
  });
}

const side = (place: json.Place): SideAllocations => ({
  tiers: layer(json.field(place, "tiers")),
  kubernetes: layer(json.field(place, "kubernetes")),
  baseline: layer(json.field(place, "baseline")),
  bits: record(json.field(place, "bits"), (page) => record(page, (set) => json.whole(set, bit))),
  doors: record(json.field(place, "doors"), (door) => json.whole(door, bits16)),
});

const layer = (place: json.Place): LayerAllocations => ({
  ports: record(json.field(place, "ports"), (chain) => json.items(chain, segment)),
  inline: json.items(json.field(place, "inline"), json.text),
  orders: record(json.field(place, "orders"), (rules) => json.items(rules, orderedPlace)),
});

const segment = (place: json.Place): SegmentNumbers => ({
  id: json.whole(json.field(place, "id"), bits16),
  page: json.whole(json.field(place, "page"), bits16),
});

function orderedPlace(place: json.Place): OrderedPlace {
  const numbers = json.items(place, (number) => json.whole(number, bits32));
  const [ruleId, priority, at] = numbers;
  if (ruleId === undefined || priority === undefined || at === undefined || numbers.length > 3)
    return json.fail(place, "a rule, its priority and its segment");
  json.whole({ path: `${place.path}[1]`, value: priority }, bits16);
  return [ruleId, priority, at];
}

/** An object by whatever names it has. */
function record<Value>(place: json.Place, read: (place: json.Place) => Value): Readonly<Record<string, Value>> {
  const { value } = place;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return json.fail(place, "an object");
  return Object.fromEntries(Object.keys(value).map((name) => [name, read(json.field(place, name))]));
}
