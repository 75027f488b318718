import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeChangeMark } from "./change-mark.ts";
import {
  changeAnnotation,
  computedAnnotation,
  type ControlplaneResource,
  decodeComputedRevisions,
  decodeGroup,
  decodeGroupPatch,
  decodeNetworkPolicy,
  encodeComputedRevisions,
  encodeGroup,
  encodeGroupPatch,
  encodeNetworkPolicy,
  encodeRemovedPolicy,
} from "./index.ts";

/** One event that a controller of an earlier version told. */
interface Told {
  readonly stream: ControlplaneResource;
  readonly event: { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: WireObject };
}
interface WireObject {
  readonly kind: string;
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
}

const folder = new URL("testing/", import.meta.url);
const recorded = readdirSync(folder).filter((name) => name.startsWith("told-by-"));

for (const name of recorded) {
  const lines = readFileSync(new URL(name, folder), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"));
  const told = lines.map((line): Told => JSON.parse(line));

  test(`${name}: what that version told is understood, and nothing of it is lost`, () => {
    for (const each of told) assert.deepEqual(toldAgain(each), withoutAnnotations(each));
    assert.equal(
      new Set(told.map(({ stream, event }) => `${stream} ${event.type}`)).size,
      11,
      "all that streams tell but changed policies",
    );
  });

  test(`${name}: fields of a version to come change nothing`, () => {
    for (const { stream, event } of told) {
      const later = { stream, event: { ...event, object: withUnknownFields(event.object) as WireObject } };
      assert.deepEqual(toldAgain(later), toldAgain({ stream, event }));
    }
  });
}

/** Read, and written anew by this version. */
function toldAgain({ stream, event: { type, object } }: Told): unknown {
  if (type === "BOOKMARK") {
    const { [computedAnnotation]: computed = "", [changeAnnotation]: change } = object.metadata.annotations ?? {};
    assert.ok(change === undefined || decodeChangeMark(change) !== undefined);
    return encodeComputedRevisions(understood(decodeComputedRevisions(computed)));
  }
  if (stream === "networkpolicies") {
    const policy = understood(decodeNetworkPolicy(object));
    return plain(type === "DELETED" ? encodeRemovedPolicy(policy) : encodeNetworkPolicy(policy));
  }
  if (object.kind.endsWith("Patch")) return plain(encodeGroupPatch(stream, understood(decodeGroupPatch(object))));
  return plain(encodeGroup(stream, understood(decodeGroup(object))));
}

/** Revisions stand beside what they are made of. */
function withoutAnnotations({ event: { type, object } }: Told): unknown {
  if (type === "BOOKMARK") return object.metadata.annotations?.[computedAnnotation];
  const { annotations: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function withUnknownFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withUnknownFields);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, name === "annotations" ? field : withUnknownFields(field)]);
  return { ...Object.fromEntries(fields), ofAVersionToCome: { any: ["thing"] } };
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function understood<T>(
  decoded: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly path: string; readonly reason: string },
): T {
  if (!decoded.ok) assert.fail(`${decoded.path}: ${decoded.reason}`);
  return decoded.value;
}
