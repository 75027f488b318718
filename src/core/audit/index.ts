export * from "./event.ts";
export { auditTime, formatAuditEvent } from "./format.ts";
export { type AuditMerger, type AuditMergerOptions, createAuditMerger } from "./merge.ts";
export { type AuditedPacket, auditedPacket } from "./packet.ts";
