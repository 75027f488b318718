export * from "./categories.ts";
export * from "./shares.ts";
