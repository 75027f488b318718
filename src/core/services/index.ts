export * from "./frontend.ts";
export * from "./resolve.ts";
export { rejectionOf } from "./rejection.ts";
