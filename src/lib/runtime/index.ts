export * from "./backoff.ts";
export * from "./clock.ts";
export * from "./duration.ts";
export * from "./errors.ts";
export * from "./files.ts";
export * from "./logger.ts";
export * from "./random.ts";
export * from "./runtime.ts";
