import type { Json, JsonObject } from "../openapi/schema.ts";
import { InvalidPatch, PatchNotApplicable } from "./errors.ts";
import { fieldOf, isArray, isObject, maximumDepth } from "./json.ts";

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

/** The operation at work. */
export interface Step {
  /** Names it in messages. */
  readonly label: string;
  /** Is told how many elements or fields are about to be copied; throws when that is too much for one patch. */
  spend(elements: number): void;
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
  return (
    change(document, path, step, (container, part) => {
      if (!isArray(container)) return withField(container, part, value);
      const index = part === "-" ? container.length : indexIn(container, { part, limit: container.length, label: step.label });
      return container.toSpliced(index, 0, value);
    }) ?? value
  );
}

/** A field that is not there is made, unlike in RFC 6902 §4.3: so does a Kubernetes API server, and webhooks count on it. */
export function replace(document: Json, { path, value, step }: Placement): Json {
  return (
    change(document, path, step, (container, part) => {
      if (!isArray(container)) return withField(container, part, value);
      find(container, [part], step);
      return container.with(Number(part), value);
    }) ?? value
  );
}

export function remove(document: Json, path: readonly string[], step: Step): Json {
  find(document, path, step);
  return (
    change(document, path, step, (container, part) => {
      if (isArray(container)) return container.toSpliced(Number(part), 1);
      const { [part]: _gone, ...rest } = container;
      return rest;
    }) ?? null
  );
}

type Container = readonly Json[] | JsonObject;

/** A copy of `document` in which `edit` was applied to the container that holds the last part of `path`; undefined for the whole document. */
function change(
  document: Json,
  path: readonly string[],
  step: Step,
  edit: (container: Container, part: string) => Container,
): Json | undefined {
  const last = path.at(-1);
  if (last === undefined) return undefined;
  const descend = (value: Json, depth: number): Json => {
    if (!isArray(value) && !isObject(value)) throw missing(step.label, path.slice(0, depth + 1));
    step.spend(isArray(value) ? value.length : Object.keys(value).length);
    if (depth === path.length - 1) return edit(value, last);
    const part = path[depth] ?? "";
    const inner = descend(find(value, [part], step), depth + 1);
    return isArray(value) ? value.with(Number(part), inner) : withField(value, part, inner);
  };
  return descend(document, 0);
}

function withField(object: JsonObject, name: string, value: Json): JsonObject {
  // Spread and a computed name define own fields, `__proto__` included.
  return { ...object, [name]: value };
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
