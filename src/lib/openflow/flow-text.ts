import { formatActions, parseActions, type TableNames, type TableNumbers } from "./actions/index.ts";
import { compact, parseNumber, parseTable } from "./actions/codec.ts";
import { InvalidFlowText } from "./errors.ts";
import type { Flow, FlowFlag, FlowStats } from "./flow.ts";
import { formatMatch, matchFromParts } from "./match-text.ts";
import { parseInteger } from "./value-text.ts";

/** What to print of a flow beside itself. */
export interface FlowText extends TableNames {
  /** Counters as `dump-flows` prints them. Without, the flow is as `dump-flows --no-stats`. */
  readonly stats?: FlowStats;
}

export const flowFlags: readonly FlowFlag[] = ["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"];
const defaultPriority = 0x8000;

/** The flow as `ovs-ofctl -O OpenFlow15 dump-flows` prints it, without the space in front. {@link parseFlow} reads it back. */
export function formatFlow(flow: Flow, options: FlowText = {}): string {
  const { stats } = options;
  const name = options.tableName?.(flow.table);
  const head: string[] = [];
  if (stats !== undefined || flow.cookie !== 0n) head.push(`cookie=0x${flow.cookie.toString(16)}`);
  if (stats !== undefined) head.push(`duration=${formatSeconds(stats.duration)}`);
  if (stats !== undefined || flow.table !== 0 || name !== undefined) head.push(`table=${name ?? flow.table}`);
  if (stats !== undefined) head.push(`n_packets=${stats.packets}`, `n_bytes=${stats.bytes}`);
  if (flow.idleTimeout) head.push(`idle_timeout=${flow.idleTimeout}`);
  if (flow.hardTimeout) head.push(`hard_timeout=${flow.hardTimeout}`);
  const flags = flowFlags.filter((flag) => flow.flags?.includes(flag)).map((flag) => `${flag} `);
  const rest = flow.importance ? [`importance=${flow.importance}`] : [];
  if (stats?.idle !== undefined) rest.push(`idle_age=${stats.idle}`);
  const match = [
    flow.priority === defaultPriority ? "" : `priority=${flow.priority}`,
    formatMatch(flow.match),
    ...(flow.unknownFields ?? []).map((raw) => `unknown_field=${Buffer.from(raw).toString("hex")}`),
  ].filter((part) => part !== "");
  const list = (parts: readonly string[]): string => parts.map((part) => `${part}, `).join("");
  return `${list(head)}${flags.join("")}${list(rest)}${match.join(",")}${match.length > 0 ? " " : ""}actions=${formatActions(flow.actions, options)}`;
}

/** Reads a flow in ovs-ofctl syntax; the default priority is 32768, of all else 0. Counters are read over. Throws {@link InvalidFlowText}. */
export function parseFlow(text: string, numbers: TableNumbers = {}): Flow {
  const [, before = "", actionText] = /^(.*?)(?:^|[\s,])actions?\s*=(.*)$/s.exec(text.trim()) ?? [];
  if (actionText === undefined) throw new InvalidFlowText(text, 'lacks its actions, such as "actions=drop"');
  const found = new Map<string, number>();
  const flags: FlowFlag[] = [];
  const matchParts: string[] = [];
  const unknownFields: Uint8Array[] = [];
  let cookie = 0n;
  let table = 0;
  for (const part of before.split(/[,\s]+/).filter((word) => word !== "")) {
    const [key = "", value = ""] = part.split("=");
    const flag = flowFlags.find((name) => name === part);
    const limit = numberLimits[key];
    if (flag !== undefined) flags.push(flag);
    else if (key === "cookie") cookie = cookieOf(part, value);
    else if (key === "table") table = parseTable(value, numbers) ?? invalid(part, "names no table");
    else if (key === "unknown_field") unknownFields.push(Uint8Array.from(Buffer.from(value, "hex")));
    else if (limit !== undefined) found.set(key, parseNumber(value, limit) ?? invalid(part, `is not a number up to ${limit}`));
    else if (!counters.has(key)) matchParts.push(part);
  }
  return compact<Flow>({
    table,
    priority: found.get("priority") ?? defaultPriority,
    cookie,
    match: matchFromParts(matchParts),
    actions: parseActions(actionText, numbers),
    idleTimeout: found.get("idle_timeout") || undefined,
    hardTimeout: found.get("hard_timeout") || undefined,
    importance: found.get("importance") || undefined,
    flags: flags.length === 0 ? undefined : flags,
    unknownFields: unknownFields.length === 0 ? undefined : unknownFields,
  });
}

const numberLimits: Readonly<Record<string, number>> = { priority: 0xffff, idle_timeout: 0xffff, hard_timeout: 0xffff, importance: 0xffff };
const counters = new Set(["duration", "n_packets", "n_bytes", "idle_age", "hard_age"]);

function cookieOf(part: string, value: string): bigint {
  const cookie = parseInteger(value);
  return cookie === undefined || cookie >> 64n !== 0n ? invalid(part, "needs a number of 64 bits") : cookie;
}

function invalid(part: string, reason: string): never {
  throw new InvalidFlowText(part, reason);
}

/** Seconds with milliseconds as ovs-ofctl writes them: 1.234s. */
const formatSeconds = (duration: number): string => `${Number(duration.toFixed(3))}s`;
