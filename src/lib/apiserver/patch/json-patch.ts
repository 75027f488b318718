import type { Json, JsonObject } from "../openapi/schema.ts";
import { InvalidPatch, PatchNotApplicable, PatchTooLarge } from "./errors.ts";
import { fieldOf, isArray, isObject, jsonEqual, refuseDeeper } from "./json.ts";
import { add, find, parsePointer, remove, replace } from "./json-pointer.ts";

/** As many operations as a Kubernetes API server takes. */
const maximumOperations = 10_000;
/** Bytes that `copy` and `move` may carry in one patch, so that a small patch cannot grow an object without bound. */
const maximumCopiedBytes = 3 * 1024 * 1024;

/** JSON patch (RFC 6902): all operations or none. Throws `InvalidPatch` for a malformed one, `PatchNotApplicable` where the object does not take it. */
export function jsonPatch(original: Json, patch: Json): Json {
  if (!isArray(patch)) throw new InvalidPatch("a JSON patch is an array of operations");
  if (patch.length > maximumOperations)
    throw new PatchTooLarge(`a JSON patch may have ${maximumOperations} operations, this one has ${patch.length}`);
  const copied = { bytes: 0 };
  return patch.reduce<Json>((document, operation, index) => {
    if (!isObject(operation)) throw new InvalidPatch(`operation ${index} is not an object`);
    return apply(document, { operation, index, copied });
  }, original);
}

interface Step {
  readonly operation: JsonObject;
  readonly index: number;
  readonly copied: { bytes: number };
}

function apply(document: Json, { operation, index, copied }: Step): Json {
  const name = fieldOf(operation, "op");
  const label = `operation ${index} (${String(name)})`;
  const path = parsePointer(operation, { field: "path", label });
  const value = (): Json => {
    const given = fieldOf(operation, "value");
    if (given === undefined) throw new InvalidPatch(`${label}: value is missing`);
    refuseDeeper(given, path.length);
    return given;
  };
  const carried = (from: readonly string[]): Json => {
    const found = find(document, from, label);
    copied.bytes += JSON.stringify(found).length;
    if (copied.bytes > maximumCopiedBytes) throw new PatchTooLarge(`${label}: copies more than ${maximumCopiedBytes} bytes`);
    refuseDeeper(found, path.length);
    return found;
  };
  switch (name) {
    case "add":
      return add(document, { path, value: value(), label });
    case "remove":
      return remove(document, path, label);
    case "replace":
      return replace(document, { path, value: value(), label });
    case "test":
      if (!jsonEqual(find(document, path, label), value()))
        throw new PatchNotApplicable(`${label}: the value at ${operation.path} differs`);
      return document;
    case "copy":
      return add(document, { path, value: carried(parsePointer(operation, { field: "from", label })), label });
    case "move": {
      const from = parsePointer(operation, { field: "from", label });
      if (from.length < path.length && from.every((part, depth) => part === path[depth]))
        throw new PatchNotApplicable(`${label}: a value cannot move into itself`);
      const value = carried(from);
      return add(remove(document, from, label), { path, value, label });
    }
    default:
      throw new InvalidPatch(`operation ${index}: op ${JSON.stringify(name)} is none of add, remove, replace, move, copy, test`);
  }
}
