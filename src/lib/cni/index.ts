export * from "./errors.ts";
export * from "./message.ts";
export * from "./network-config.ts";
export * from "./parameters.ts";
export * from "./result.ts";
export * from "./versions.ts";
