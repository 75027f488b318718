export * from "./client.ts";
export * from "./errors.ts";
export * from "./events.ts";
export type { Received, Sent } from "./message.ts";
export * as messages from "./messages.ts";
