import type { Json, JsonObject } from "../openapi/schema.ts";
import { InvalidPatch, PatchNotApplicable } from "./errors.ts";
import { fieldOf, isArray, isObject, maximumDepth, setField } from "./json.ts";

/** The parts of the JSON pointer (RFC 6901) in a field of an operation. */
export function parsePointer(
  operation: JsonObject,
  { field, label }: { readonly field: string; readonly label: string },
): readonly string[] {
  const text = fieldOf(operation, field);
  if (typeof text !== "string") throw new InvalidPatch(`${label}: ${field} is missing`);
  if (text === "") return [];
  if (!text.startsWith("/")) throw new InvalidPatch(`${label}: ${field} ${JSON.stringify(text)} does not start with "/"`);
  const parts = text.slice(1).split("/");
  if (parts.length > maximumDepth) throw new InvalidPatch(`${label}: ${field} is deeper than ${maximumDepth} levels`);
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** A container that is the patch's own, and may be changed in place. */
type Own = Json[] | Record<string, Json>;

/** The operation at work. */
export interface Step {
  /** Names it in messages. */
  readonly label: string;
  /** The container itself where this patch has made it, else a copy of it, so that what is patched stays as it is. */
  own(container: Container): Own;
  /** Is told how many elements of a list move up or down; throws when that is too much for one patch. */
  shift(elements: number): void;
}

/** The value at `path`; throws `PatchNotApplicable` where there is none. */
export function find(document: Json, path: readonly string[], step: Step): Json {
  return path.reduce<Json>((value, part, depth) => {
    const next = isArray(value)
      ? value[indexIn(value, { part, limit: value.length - 1, label: step.label })]
      : isObject(value)
        ? fieldOf(value, part)
        : undefined;
    if (next === undefined) throw missing(step.label, path.slice(0, depth + 1));
    return next;
  }, document);
}

interface Placement {
  readonly path: readonly string[];
  readonly value: Json;
  readonly step: Step;
}

export function add(document: Json, { path, value, step }: Placement): Json {
  return change(document, { path, step, whole: value }, (container, part) => {
    if (!Array.isArray(container)) return setField(container, part, value);
    const index = part === "-" ? container.length : indexIn(container, { part, limit: container.length, label: step.label });
    step.shift(container.length - index);
    container.splice(index, 0, value);
  });
}

/** A field that is not there is made, unlike in RFC 6902 §4.3: so does a Kubernetes API server, and webhooks count on it. */
export function replace(document: Json, { path, value, step }: Placement): Json {
  return change(document, { path, step, whole: value }, (container, part) => {
    if (!Array.isArray(container)) return setField(container, part, value);
    find(container, [part], step);
    container[Number(part)] = value;
  });
}

export function remove(document: Json, path: readonly string[], step: Step): Json {
  find(document, path, step);
  return change(document, { path, step, whole: null }, (container, part) => {
    if (Array.isArray(container)) {
      step.shift(container.length - Number(part));
      container.splice(Number(part), 1);
    } else delete container[part];
  });
}

type Container = readonly Json[] | JsonObject;

/** `document` with `edit` applied to the container that holds the last part of `path`; `whole` where the path is empty. */
function change(
  document: Json,
  { path, step, whole }: { readonly path: readonly string[]; readonly step: Step; readonly whole: Json },
  edit: (container: Own, part: string) => void,
): Json {
  const last = path.at(-1);
  if (last === undefined) return whole;
  const descend = (value: Json, depth: number): Json => {
    if (!isArray(value) && !isObject(value)) throw missing(step.label, path.slice(0, depth + 1));
    if (depth === path.length - 1) {
      const mine = step.own(value);
      edit(mine, last);
      return mine;
    }
    const part = path[depth] ?? "";
    const inner = find(value, [part], step);
    const changed = descend(inner, depth + 1);
    if (changed === inner) return value;
    const mine = step.own(value);
    if (Array.isArray(mine)) mine[Number(part)] = changed;
    else setField(mine, part, changed);
    return mine;
  };
  return descend(document, 0);
}

function indexIn(
  list: readonly Json[],
  { part, limit, label }: { readonly part: string; readonly limit: number; readonly label: string },
): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(part)) throw new PatchNotApplicable(`${label}: ${JSON.stringify(part)} is no index of a list`);
  if (Number(part) > limit) throw new PatchNotApplicable(`${label}: index ${part} is past the end of a list of ${list.length}`);
  return Number(part);
}

function missing(label: string, path: readonly string[]): PatchNotApplicable {
  return new PatchNotApplicable(`${label}: nothing at /${path.join("/")}`);
}
