export { type AuditFigures, type AuditLogOptions, keepAuditLog } from "./keep-audit-log.ts";
export type { LogRotation } from "./log-file.ts";
export { podsByPort } from "./pods-by-port.ts";
