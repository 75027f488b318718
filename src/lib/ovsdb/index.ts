export * from "./client.ts";
export * from "./declaration.ts";
export * from "./errors.ts";
export * from "./open-vswitch.ts";
export * from "./operations.ts";
export { connectOvsdb } from "./connect.ts";
export * from "./memory-client.ts";
export * from "./memory-database.ts";
export { appctl, controlSocket } from "./unixctl.ts";
