import { UnsupportedValue } from "../errors.ts";
import type { Answer } from "./resources.ts";

/** Orders policies as packets meet them: by tier, then by the policy's priority. */
const effectivePriority = "effectivePriority";
/** Kubernetes policies have no tier; they come after those of every tier but the baseline. */
const kubernetesTierPriority = 251;

/**
 * Items in the order of a field, given as kubectl's `--sort-by` has it (`.metadata.name`, `metadata.name`, `{.metadata.name}`), or of `effectivePriority`.
 * Items without the field come first; equal ones stay as they are. Throws {@link UnsupportedValue} when no item has the field.
 */
export function sortedBy(items: readonly Answer[], field: string): Answer[] {
  const keyOf = field === effectivePriority ? effectivePriorityOf : (item: Answer): readonly unknown[] => [valueAt(item, pathOf(field))];
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  if (items.length > 0 && keyed.every(({ key }) => key.every((part) => part === undefined)))
    throw new UnsupportedValue(field, "sort-by", `a field that they have, such as .metadata.name, or ${effectivePriority} for policies`);
  return keyed.sort((one, other) => compareAll(one.key, other.key)).map(({ item }) => item);
}

const effectivePriorityOf = (item: Answer): readonly unknown[] =>
  item.sourceRef === undefined ? [undefined] : [item.tierPriority ?? kubernetesTierPriority, item.priority];

const pathOf = (field: string): readonly string[] =>
  field
    .replace(/^\{(.*)\}$/, "$1")
    .replace(/^\./, "")
    .split(".");

const valueAt = (item: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined), item);

const isObject = (value: unknown): value is Answer => typeof value === "object" && value !== null;

function compareAll(one: readonly unknown[], other: readonly unknown[]): number {
  for (const [index, value] of one.entries()) {
    const order = compare(value, other[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function compare(one: unknown, other: unknown): number {
  if (one === undefined || other === undefined) return Number(one !== undefined) - Number(other !== undefined);
  if (typeof one === "number" && typeof other === "number") return one - other;
  const [text, otherText] = [String(one), String(other)];
  return text < otherText ? -1 : text > otherText ? 1 : 0;
}
