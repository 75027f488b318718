import { refusalOf } from "#core/reject/index.ts";

/** The answer to a packet for a Service that nobody serves, as if the destination itself gave it. Undefined for what must not be answered. Total. */
export const rejectionOf = (packet: Uint8Array): Uint8Array | undefined => refusalOf(packet, { because: "nobody serves it" });
