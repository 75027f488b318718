export * from "./errors.ts";
export * from "./pipeline.ts";
export type { FlowReconciler, FlowStatus, RefusedFlow } from "./reconciler.ts";
