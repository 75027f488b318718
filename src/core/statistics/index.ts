export * from "./counters.ts";
export * from "./differences.ts";
export * from "./errors.ts";
export * from "./state-text.ts";
export * from "./summary.ts";
export * from "./tally.ts";
