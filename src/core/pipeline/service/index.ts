export * from "./compile.ts";
export * from "./compiler.ts";
export { hairpinAddresses } from "./hairpin.ts";
export { serviceRejectCategory } from "./reject.ts";
export * from "./service-numbers.ts";
