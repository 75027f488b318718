export type { PolicyAllocations, SideAllocations } from "./allocations.ts";
export { decodeAllocations } from "./decode-allocations.ts";
export * from "./compiler.ts";
export type { PolicyProblem } from "./lowered-rule.ts";
export { policyTables } from "./sides.ts";
export type { SideFigures } from "./side-compiler.ts";
export { type EncodingLimits, encodingLimits } from "./limits.ts";
