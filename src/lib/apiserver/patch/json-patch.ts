import type { Parts } from "#lib/runtime/parts.ts";
import type { Json, JsonObject } from "../openapi/schema.ts";
import { InvalidPatch, PatchNotApplicable, PatchTooLarge } from "./errors.ts";
import { copyOf, fieldOf, isArray, isObject, jsonEqual, refuseDeeper } from "./json.ts";
import { add, find, parsePointer, remove, replace, type Step } from "./json-pointer.ts";

/** As many operations as a Kubernetes API server takes. */
const maximumOperations = 10_000;
/** Bytes that `copy` and `move` may carry in one patch, so that a small patch cannot grow an object without bound. */
const maximumCopiedBytes = 3 * 1024 * 1024;
/** Elements of lists that move up or down to make room. Measured: 3 million a millisecond on a busy machine. */
const maximumShifts = 100_000_000;

/** JSON patch (RFC 6902): all operations or none; null is none, as Go programs write an empty list. Throws `InvalidPatch` for a malformed one, `PatchNotApplicable` where the object does not take it. */
export function* jsonPatch(original: Json, patch: Json): Parts<Json> {
  if (patch === null) return original;
  if (!isArray(patch)) throw new InvalidPatch("a JSON patch is an array of operations");
  if (patch.length > maximumOperations)
    throw new PatchTooLarge(`a JSON patch may have ${maximumOperations} operations, this one has ${patch.length}`);
  const spent = { bytes: 0, shifts: 0, made: new WeakSet<object>() };
  let document = original;
  for (const [index, operation] of patch.entries()) {
    if (!isObject(operation)) throw new InvalidPatch(`operation ${index} is not an object`);
    document = apply(document, { operation, index, spent });
    yield;
  }
  return document;
}

interface Work {
  readonly operation: JsonObject;
  readonly index: number;
  readonly spent: { bytes: number; shifts: number; readonly made: WeakSet<object> };
}

function apply(document: Json, { operation, index, spent }: Work): Json {
  const name = fieldOf(operation, "op");
  const label = `operation ${index} (${String(name)})`;
  const step: Step = {
    label,
    own(container) {
      if (spent.made.has(container)) return container as Json[] | Record<string, Json>;
      // spread defines own fields, `__proto__` included
      const copy = isArray(container) ? [...container] : { ...container };
      spent.made.add(copy);
      return copy;
    },
    shift(elements) {
      spent.shifts += elements;
      if (spent.shifts > maximumShifts)
        throw new PatchTooLarge(`${label}: the patch changes long lists too often; send the result instead`);
    },
  };
  const path = parsePointer(operation, { field: "path", label });
  const value = (): Json => {
    const given = fieldOf(operation, "value");
    if (given === undefined) throw new InvalidPatch(`${label}: value is missing`);
    refuseDeeper(given, path.length);
    return given;
  };
  const carried = (from: readonly string[]): Json => {
    const found = find(document, from, step);
    spent.bytes += JSON.stringify(found).length;
    if (spent.bytes > maximumCopiedBytes) throw new PatchTooLarge(`${label}: copies more than ${maximumCopiedBytes} bytes`);
    refuseDeeper(found, path.length);
    return found;
  };
  switch (name) {
    case "add":
      return add(document, { path, value: value(), step });
    case "remove":
      return remove(document, path, step);
    case "replace":
      return replace(document, { path, value: value(), step });
    case "test":
      if (!jsonEqual(find(document, path, step), value())) throw new PatchNotApplicable(`${label}: the value at ${operation.path} differs`);
      return document;
    case "copy":
      return add(document, { path, value: copyOf(carried(parsePointer(operation, { field: "from", label }))), step });
    case "move": {
      const from = parsePointer(operation, { field: "from", label });
      if (from.length < path.length && from.every((part, depth) => part === path[depth]))
        throw new PatchNotApplicable(`${label}: a value cannot move into itself`);
      const value = carried(from);
      return add(remove(document, from, step), { path, value, step });
    }
    default:
      throw new InvalidPatch(`operation ${index}: op ${JSON.stringify(name)} is none of add, remove, replace, move, copy, test`);
  }
}
