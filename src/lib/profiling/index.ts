export * from "./errors.ts";
export * from "./profile-paths.ts";
