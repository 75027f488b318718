export * from "./frontend.ts";
export * from "./resolve.ts";
export { resolveOnce } from "./resolve-once.ts";
export { rejectionOf } from "./rejection.ts";
