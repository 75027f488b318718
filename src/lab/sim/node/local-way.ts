import { milliseconds } from "#lib/runtime/index.ts";

/** One way between two processes of a host. */
export const localWay = milliseconds(0.1);
