export * from "./errors.ts";
export * from "./shared-map.ts";
export * from "./table.ts";
