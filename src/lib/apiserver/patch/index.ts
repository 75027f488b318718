export * from "./errors.ts";
export * from "./patch.ts";
