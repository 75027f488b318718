export * from "./block-values.ts";
export * from "./id-pool.ts";
export * from "./keyed-list.ts";
export * from "./member-index.ts";
export * from "./port-masks.ts";
export * from "./set-bits.ts";
export * from "./set-page.ts";
