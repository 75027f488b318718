export type * from "./changes.ts";
export * from "./engine.ts";
export * from "./group-selector.ts";
export { lowerKubernetesPolicy } from "./lowering/kubernetes.ts";
export type * from "./lowered-policy.ts";
export * from "./rows.ts";
export type { SpanChanges, SpanView } from "./span.ts";
export type { GroupContent } from "./lowering/groups.ts";
export * from "./policy-objects.ts";
