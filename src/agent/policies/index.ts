export * from "./errors.ts";
export * from "./follow.ts";
export type { Proof } from "./proof-rounds.ts";
export * from "./realization.ts";
export * from "./snapshot.ts";
