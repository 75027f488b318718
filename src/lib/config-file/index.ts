export * from "./errors.ts";
export * from "./key.ts";
export * from "./print.ts";
export * from "./read.ts";
