import type { Action } from "../action.ts";
import type { TableNames } from "../actions/index.ts";
import { fieldList } from "../fields.ts";
import { type FieldMatch, formatActions, formatMatch, type Match } from "../flow.ts";
import { formatPort } from "../port.ts";
import { type Key, place, readSubfield } from "./layout.ts";
import type { Operation } from "./operation.ts";
import type { TableEntry } from "./table-entry.ts";

/** Writes down a packet's way, in the words of `ovs-appctl ofproto/trace`. */
export interface TraceWriter {
  /** A walk begins: what the packet is. */
  begin(title: string, key: Key): void;
  table(number: number, entry: TableEntry | undefined, depth: number): void;
  action(action: Action): void;
  bucket(id: number): void;
  note(text: string): void;
  /** The walk is over: what the datapath will do. */
  end(key: Key, operations: readonly Operation[]): void;
  text(): string;
}

const ruler = "=".repeat(79);

export function createTrace(names: TableNames = {}): TraceWriter {
  const lines: string[] = [];
  return {
    begin(title, key) {
      if (lines.length > 0) lines.push("", ruler, title, ruler, "");
      lines.push(`Flow: ${formatKey(key)}`, "");
      if (lines.length <= 2) lines.push(title, "-".repeat(title.length));
    },
    table(number, entry) {
      const name = names.tableName?.(number);
      const place = `${String(number).padStart(2)}${name === undefined ? "" : `(${name})`}.`;
      lines.push(
        entry === undefined
          ? `${place} No match.`
          : `${place} ${[formatMatch(entry.flow.match), `priority ${entry.priority}`, entry.flow.cookie === 0n ? "" : `cookie 0x${entry.flow.cookie.toString(16)}`].filter((part) => part !== "").join(", ")}`,
      );
      if (entry?.flow.actions.length === 0 || entry === undefined) lines.push("    drop");
    },
    action: (action) => void lines.push(`    ${formatActions([action], names)}`),
    bucket: (id) => void lines.push(`    bucket ${id}`),
    note: (text) => void lines.push(`     -> ${text}`),
    end(key, operations) {
      lines.push("", `Final flow: ${formatKey(key)}`, `Datapath actions: ${formatOperations(operations)}`);
    },
    text: () => `${lines.join("\n")}\n`,
  };
}

/** The fields of a packet that are not zero, as a match in ovs-ofctl's words. */
export function formatKey(key: Key): string {
  const match = matchOfKey(key);
  // Of all its bits eight have names: as a mask they print as `est|trk`.
  return formatMatch(typeof match.ct_state === "bigint" ? { ...match, ct_state: { value: match.ct_state, mask: 0xffn } } : match);
}

/** The fields of a packet that are not zero. */
export function matchOfKey(key: Key): Match {
  const match: { -readonly [Name in keyof Match]: FieldMatch } = {};
  for (const { name, bits } of fieldList) {
    if (skipped.test(name)) continue;
    const value = readSubfield(key, { field: name, offset: 0, bits });
    if (value !== 0n) match[name] = value;
  }
  if (match.in_port_oxm !== undefined) {
    match.in_port = match.in_port_oxm;
    delete match.in_port_oxm;
  }
  return match;
}

/** Parts and other spellings of fields that stand there already. */
const skipped = /^(xx?reg|in_port$|vlan_vid|vlan_pcp|nw_tos|recirc_id|packet_type|actset_output)/;

export function formatOperations(operations: readonly Operation[]): string {
  if (operations.length === 0) return "drop";
  return operations.map(formatOperation).join(",");
}

function formatOperation(operation: Operation): string {
  switch (operation.type) {
    case "set": {
      const words = operation.values.map(
        ({ word, value, mask }) => `${nameOfWord(word)}=${hex(value)}${mask === -1 ? "" : `/${hex(mask)}`}`,
      );
      return `set(${words.join(",")})`;
    }
    case "output":
      return operation.tunnel?.destination === undefined
        ? formatPort(operation.port)
        : `set(tunnel(tun_id=0x${(operation.tunnel.id ?? 0n).toString(16)},dst=${operation.tunnel.destination})),${formatPort(operation.port)}`;
    case "ct":
      return formatActions([
        {
          type: "ct",
          ...(operation.commit ? { commit: true } : {}),
          ...(operation.force ? { force: true } : {}),
          zone: operation.zone,
          ...(operation.nat === undefined ? {} : { nat: operation.nat }),
        },
      ]);
    case "recirc":
      return `recirc(0x${operation.id.toString(16)})`;
    case "clone":
      return `clone(${formatOperations(operation.operations)})`;
    case "meter":
      return `meter(${operation.meter})`;
    case "packet_in":
      return `userspace(controller(reason=${operation.reason}))`;
    case "push_vlan":
      return `push_vlan(tpid=0x${operation.etherType.toString(16)})`;
    default:
      return operation.type;
  }
}

const hex = (word: number): string => `0x${(word >>> 0).toString(16)}`;

function nameOfWord(word: number): string {
  return wordNames.get(word) ?? `word${word}`;
}

const wordNames = new Map<number, string>(
  fieldList
    .filter(({ name }) => !skipped.test(name))
    .flatMap(({ name }) => {
      const { word, words } = place(name);
      return Array.from({ length: words }, (_, index) => [word + index, words === 1 ? name : `${name}[${index}]`] as const);
    }),
);
