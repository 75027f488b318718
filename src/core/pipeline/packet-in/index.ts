export * from "./categories.ts";
