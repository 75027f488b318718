export type * from "./changes.ts";
export * from "./engine.ts";
export * from "./group-selector.ts";
export * from "./lower-kubernetes.ts";
export type * from "./lowered-policy.ts";
export * from "./rows.ts";
export type { SpanChanges, SpanView } from "./span.ts";
