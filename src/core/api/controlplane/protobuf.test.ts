import { test } from "node:test";
import { assertAsGo, assertWatchAsGo, readGoVectors } from "#lib/kube/protobuf/testing/go-vectors.ts";
import { controlplaneProtobuf } from "./protobuf.ts";

const { vectors, watch } = readGoVectors(new URL("testing/controlplane-vectors.txt", import.meta.url));

for (const [index, vector] of vectors.entries())
  test(`${vector.kind} (${index}): byte for byte as Go`, () => assertAsGo(controlplaneProtobuf, vector));

test("a watch is cut into its events", () => assertWatchAsGo(watch, vectors, 100));
