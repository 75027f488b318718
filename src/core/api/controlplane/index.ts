export * from "./computed.ts";
export * from "./decode.ts";
export * from "./encode.ts";
export type { Decoded } from "./json.ts";
export * from "./member-key.ts";
export * from "./names.ts";
export * from "./revision.ts";
export * from "./types.ts";
export type * from "./wire.ts";
