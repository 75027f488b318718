export * from "./codec.ts";
export * from "./frames.ts";
export * from "./kubernetes.ts";
export type { ProtobufSchema } from "./schema.ts";
