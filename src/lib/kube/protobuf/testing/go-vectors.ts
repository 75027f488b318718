import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createFrameSplitter, type ProtobufCodec, readWatchEvent, watchFrame } from "../index.ts";

interface Vector {
  readonly apiVersion: string;
  readonly kind: string;
  readonly protobuf: string;
  readonly object: { readonly metadata?: object; readonly items?: readonly object[] };
}

/** What Go wrote: its objects as JSON and as protobuf, and a watch of four of them. */
export function readGoVectors(file: URL): { readonly vectors: readonly Vector[]; readonly watch: Buffer } {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => JSON.parse(line) as Vector & { readonly watch?: string });
  const watch = lines.find((line) => line.watch !== undefined)?.watch ?? "";
  return { vectors: lines.filter((line) => line.watch === undefined), watch: Buffer.from(watch, "base64") };
}

/** Reads Go's bytes as Go's JSON, and writes the same bytes from either. */
export function assertAsGo(codec: ProtobufCodec, { apiVersion, kind, protobuf, object }: Vector): void {
  const bytes = Buffer.from(protobuf, "base64");
  const encode = (value: Vector["object"]): Buffer => {
    if (!kind.endsWith("List")) return Buffer.from(codec.encode({ apiVersion, kind }, value));
    const item = { apiVersion, kind: kind.slice(0, -"List".length) };
    const items = (value.items ?? []).map((one) => codec.encodeItem(item, one));
    return Buffer.concat([...codec.listPieces({ apiVersion, kind, metadata: value.metadata ?? {} }, items)]);
  };
  const decoded = codec.decode(bytes);
  assert.ok("object" in decoded, `${kind}: ${JSON.stringify(decoded)}`);
  assert.deepEqual(withoutZeros(decoded.object), withoutZeros(object), kind);
  assert.equal(encode(object).toString("hex"), bytes.toString("hex"), `${kind}, from JSON`);
  assert.equal(encode(decoded.object as Vector["object"]).toString("hex"), bytes.toString("hex"), `${kind}, from its own bytes`);
}

/** Go's JSON shows some empty objects and lists and leaves out others. */
function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, inner]) => [name, withoutZeros(inner)] as const)
      .filter(([, inner]) => !isZero(inner)),
  );
}

const isZero = (value: unknown): boolean => value === null || (typeof value === "object" && Object.keys(value).length === 0);

/** Reads Go's watch however it is cut, and writes the same bytes. */
export function assertWatchAsGo(watch: Buffer, vectors: readonly Vector[], pieceBytes: number): void {
  const splitter = createFrameSplitter(1 << 20);
  const events: { readonly type: string; readonly object: Uint8Array }[] = [];
  for (let at = 0; at < watch.length; at += pieceBytes)
    for (const frame of splitter.push(watch.subarray(at, at + pieceBytes)).frames) {
      const event = readWatchEvent(frame);
      assert.ok(event !== undefined);
      events.push(event);
    }
  assert.deepEqual(
    events.map(({ type, object }) => [type, Buffer.from(object).toString("base64")]),
    ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"].map((type, index) => [type, vectors[index]?.protobuf]),
  );
  assert.deepEqual(Buffer.concat(events.map(({ type, object }) => watchFrame(type, object))), watch);
}
