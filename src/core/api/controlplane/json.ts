/** Reading parsed JSON that others wrote: every failure knows its path. Thrown inside decoders only; {@link decoding} turns it into a result. */
class Mismatch {
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string) {
    this.path = path;
    this.reason = reason;
  }
}

/** Either the value, or where the text departs from its form and how. */
export type Decoded<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly path: string; readonly reason: string };

export function decoding<Value>(read: () => Value): Decoded<Value> {
  try {
    return { ok: true, value: read() };
  } catch (mismatch) {
    if (mismatch instanceof Mismatch) return { ok: false, path: mismatch.path, reason: mismatch.reason };
    throw mismatch;
  }
}

/** One place in a JSON value. `null` counts as absent, as Go writes it for empty lists and times. */
export interface Place {
  readonly path: string;
  readonly value: unknown;
}

export const root = (value: unknown, path = "$"): Place => ({ path, value });

export const absent = ({ value }: Place): boolean => value === undefined || value === null;

export function fail({ path, value }: Place, wanted: string): never {
  const shown = typeof value === "object" && value !== null ? (Array.isArray(value) ? "a list" : "an object") : JSON.stringify(value);
  throw new Mismatch(path, `${String(shown).slice(0, 80)} is not ${wanted}`);
}

/** The field of an object; an absent object has absent fields. */
export function field(place: Place, name: string): Place {
  const path = `${place.path}.${name}`;
  if (absent(place)) return { path, value: undefined };
  if (typeof place.value !== "object" || Array.isArray(place.value)) return fail(place, "an object");
  return { path, value: Object.hasOwn(place.value as object, name) ? (place.value as Record<string, unknown>)[name] : undefined };
}

/** The items of a list; none when absent. */
export function items<Item>(place: Place, read: (item: Place) => Item): Item[] {
  if (absent(place)) return [];
  if (!Array.isArray(place.value)) return fail(place, "a list");
  return place.value.map((value, index) => read({ path: `${place.path}[${index}]`, value }));
}

export function text(place: Place): string {
  return typeof place.value === "string" ? place.value : fail(place, "a string");
}

/** A text that holds JSON of its own. */
export function parsed(place: Place): Place {
  try {
    return { path: place.path, value: JSON.parse(text(place)) };
  } catch (error) {
    if (error instanceof SyntaxError) return fail(place, "JSON");
    throw error;
  }
}

export const textOrEmpty = (place: Place): string => (absent(place) ? "" : text(place));

export function whole(place: Place, { from, to }: { readonly from: number; readonly to: number }): number {
  const { value } = place;
  return typeof value === "number" && Number.isInteger(value) && value >= from && value <= to
    ? value
    : fail(place, `a whole number from ${from} to ${to}`);
}

export function finite(place: Place): number {
  return typeof place.value === "number" && Number.isFinite(place.value) ? place.value : fail(place, "a number");
}

export function flag(place: Place): boolean {
  if (absent(place)) return false;
  return typeof place.value === "boolean" ? place.value : fail(place, "true or false");
}

export function oneOf<const Word extends string>(place: Place, words: readonly Word[]): Word {
  return words.find((word) => word === place.value) ?? fail(place, `one of ${words.join(", ")}`);
}

/** `{ [name]: read(field) }`, or `{}` where the field is absent: for spreading into objects of optional properties. */
export function optional<Name extends string, Value>(
  parent: Place,
  name: Name,
  read: (place: Place) => Value,
): { readonly [_ in Name]?: Value } {
  const place = field(parent, name);
  return absent(place) ? {} : ({ [name]: read(place) } as { readonly [_ in Name]?: Value });
}
