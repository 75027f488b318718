export * from "./age.ts";
export * from "./columns.ts";
export * from "./partial.ts";
export * from "./table.ts";
