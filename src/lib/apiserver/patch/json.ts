import type { Json, JsonObject } from "../openapi/schema.ts";
import { PatchTooLarge } from "./errors.ts";

/** Nesting beyond this is refused: no Kubernetes object comes near it, and recursion stays far from the end of the stack. */
export const maximumDepth = 500;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The own field of an object; names such as `constructor` that every JavaScript object inherits are absent unless set. */
export function fieldOf(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** How deep containers are nested: 0 for a scalar. Stops counting just past {@link maximumDepth}. Uses no stack. */
export function depthOf(value: Json): number {
  let level: Json[] = [value];
  let depth = 0;
  for (; depth <= maximumDepth; depth++) {
    const containers = level.filter((one) => typeof one === "object" && one !== null);
    if (containers.length === 0) return depth;
    level = containers.flatMap((one) => (isArray(one) ? [...one] : Object.values(one as JsonObject)));
  }
  return depth;
}

export function refuseDeeper(value: Json, outerDepth = 0): void {
  if (outerDepth + depthOf(value) > maximumDepth) throw new PatchTooLarge(`the patch nests deeper than ${maximumDepth} levels`);
}

/** Equal as JSON values: field order does not count, numbers compare by value (RFC 6902 §4.6). */
export function jsonEqual(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (isArray(left))
    return isArray(right) && left.length === right.length && left.every((one, index) => jsonEqual(one, right[index] ?? null));
  if (!isObject(left) || !isObject(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => {
      const [one, other] = [left[name], right[name]];
      // most fields are the same, and most of the rest have other values
      if (one === other) return one !== undefined || Object.hasOwn(right, name);
      return Object.hasOwn(right, name) && jsonEqual(one ?? null, other ?? null);
    })
  );
}

/** The same value, none of it shared. */
export function copyOf<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf) as Value;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) setField(copy, name, copyOf((value as Record<string, unknown>)[name]));
  return copy as Value;
}

/** Sets an own field, `__proto__` too. */
export function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__") Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}
