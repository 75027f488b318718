import { createProtobufCodec } from "./codec.ts";
import table from "./messages.json" with { type: "json" };
import type { ProtobufSchema } from "./schema.ts";

/** The messages of Kubernetes' own kinds, as far as their numbers stand in `messages.json`. */
export const kubernetesSchema = table as unknown as ProtobufSchema;

export const kubernetesProtobuf = createProtobufCodec(kubernetesSchema);
