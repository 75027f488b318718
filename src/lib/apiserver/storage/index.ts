export * from "./errors.ts";
export * from "./sqlite.ts";
export * from "./storage.ts";
