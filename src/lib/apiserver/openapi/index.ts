export * from "./build.ts";
export * from "./defaults.ts";
export * from "./meta.ts";
export * from "./open-api.ts";
export * from "./schema.ts";
