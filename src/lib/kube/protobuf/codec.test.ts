import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFrameSplitter, kubernetesProtobuf, readWatchEvent } from "./index.ts";
import { assertAsGo, assertWatchAsGo, readGoVectors } from "./testing/go-vectors.ts";

const { vectors, watch } = readGoVectors(new URL("testing/kubernetes-vectors.txt", import.meta.url));

for (const vector of vectors)
  test(`${vector.apiVersion} ${vector.kind}: byte for byte as Go`, () => assertAsGo(kubernetesProtobuf, vector));

test("a watch is cut into its events wherever its bytes are cut", () => {
  for (const pieceBytes of [1, 3, 7, 1_000, 100_000]) assertWatchAsGo(watch, vectors, pieceBytes);
});

test("a frame that says it is larger than the bound is an overflow, not memory", () => {
  assert.deepEqual(createFrameSplitter(1_000).push(Buffer.from([0, 0, 4, 0, 1])), { frames: [], overflow: true });
});

test("a value of another type than its field is told by the field", () => {
  const pod = { apiVersion: "v1", kind: "Pod" };
  for (const [object, problem] of [
    [{ metadata: { generation: "1" } }, /field generation .* whole number/],
    [{ metadata: { creationTimestamp: "yesterday" } }, /field creationTimestamp .* time/],
    [{ spec: { containers: {} } }, /field containers .* list/],
    [{ spec: [] }, /field spec .* object/],
    [{ metadata: { name: 1 } }, /field name .* string/],
  ] as const)
    assert.throws(() => kubernetesProtobuf.encode(pod, object), { code: "KUBE_NOT_ENCODABLE", message: problem });
});

test("bytes of a message that are changed or cut give an object or a problem, and no event throws", () => {
  fc.assert(
    fc.property(fc.constantFrom(...vectors), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(), ({ protobuf }, at, byte, cut) => {
      const bytes = Buffer.from(protobuf, "base64");
      bytes[4 + (at % (bytes.length - 4))] = byte;
      kubernetesProtobuf.decode(bytes.subarray(0, 4 + (cut % bytes.length)));
      kubernetesProtobuf.decode(bytes);
      readWatchEvent(bytes.subarray(4));
    }),
  );
});

test("a key that every object inherits is a key", () => {
  const kind = { apiVersion: "v1", kind: "ConfigMap" };
  const data = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
  const decoded = kubernetesProtobuf.decode(kubernetesProtobuf.encode(kind, { data }));
  assert.ok("object" in decoded);
  assert.equal(JSON.stringify((decoded.object as { data: unknown }).data), '{"__proto__":"x","constructor":"y"}');
});
