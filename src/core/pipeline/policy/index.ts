export type { PolicyAllocations, SideAllocations } from "./allocations.ts";
export * from "./compiler.ts";
export type { PolicyProblem } from "./lowered-rule.ts";
