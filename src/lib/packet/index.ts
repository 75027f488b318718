export { UnencodablePacket } from "./errors.ts";
export { decodeFrame, encodeFrame, etherType } from "./frame.ts";
export { encodeIpv4, encodeIpv6 } from "./ip.ts";
export * from "./neighbor.ts";
export { encodeTransport, ipProtocol, protocolOf } from "./transport.ts";
export * from "./types.ts";
