export * from "./errors.ts";
export * from "./pipeline.ts";
export type { FlowOperations, FlowReconciler, FlowStatus, RefusedFlow } from "./reconciler.ts";
