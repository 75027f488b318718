export * from "./frontend.ts";
export * from "./resolve.ts";
