export * from "./answer.ts";
export * from "./cache.ts";
export * from "./errors.ts";
export * from "./limits.ts";
export * from "./pattern.ts";
export { readFqdnSnapshot, writeFqdnSnapshot } from "./snapshot.ts";
export * from "./tcp-streams.ts";
