export * from "./element.ts";
export * from "./errors.ts";
export * from "./fake.ts";
export * from "./nftables.ts";
export * from "./ruleset.ts";
