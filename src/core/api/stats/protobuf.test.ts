import { test } from "node:test";
import { createProtobufCodec, kubernetesSchema } from "#lib/kube/protobuf/index.ts";
import { assertAsGo, readGoVectors } from "#lib/kube/protobuf/testing/go-vectors.ts";
import { statsSchema } from "./protobuf.ts";

const codec = createProtobufCodec(kubernetesSchema, statsSchema);
for (const [index, vector] of readGoVectors(new URL("testing/stats-vectors.txt", import.meta.url)).vectors.entries())
  test(`${vector.kind} (${index}): byte for byte as Go`, () => assertAsGo(codec, vector));
