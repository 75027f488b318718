export * from "./errors.ts";
export * from "./follow.ts";
export * from "./realization.ts";
export * from "./snapshot.ts";
