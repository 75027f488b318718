export * from "./compile.ts";
export * from "./cookie.ts";
export * from "./errors.ts";
export * from "./flow-ledger.ts";
export * from "./host-mark.ts";
export * from "./registers.ts";
export * from "./rows.ts";
export * from "./tables.ts";
