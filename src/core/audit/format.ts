import type { PolicyReference } from "#core/api/controlplane/index.ts";
import type { AuditEvent } from "./event.ts";

/** What stands where there is nothing. */
const none = "<nil>";

/** The fourteen fields of a line, without its time: the same text is the same event. */
export function formatAuditEvent({
  table,
  policy,
  rule,
  direction,
  disposition,
  priority,
  appliedTo,
  packet,
  logLabel,
}: AuditEvent): string {
  return [
    table,
    policy === undefined ? "K8sNetworkPolicy" : policyText(policy),
    rule || none,
    direction === "In" ? "Ingress" : "Egress",
    disposition,
    priority ?? none,
    appliedTo === undefined ? none : `${appliedTo.namespace}/${appliedTo.name}`,
    packet.source,
    packet.sourcePort ?? none,
    packet.destination,
    packet.destinationPort ?? none,
    packet.protocol,
    packet.length,
    logLabel || none,
  ].join(" ");
}

const policyText = ({ type, namespace, name }: PolicyReference): string => `${type}:${namespace ? `${namespace}/` : ""}${name}`;

/** A line's time as Go's log package writes it, in UTC: `2026/01/02 10:00:00.123456`. `milliseconds` since the epoch, with fractions. */
export function auditTime(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1_000);
  if (second !== lastSecond.second) {
    const [date = "", time = ""] = new Date(second * 1_000).toISOString().slice(0, -5).split("T");
    lastSecond = { second, text: `${date.replaceAll("-", "/")} ${time}` };
  }
  const whole = Math.floor(milliseconds);
  const micros = Math.floor((milliseconds - whole) * 1_000);
  return `${lastSecond.text}.${String(whole - second * 1_000).padStart(3, "0")}${String(micros).padStart(3, "0")}`;
}

/** Lines come thousands to a second: its text is made once. */
let lastSecond = { second: Number.NaN, text: "" };
