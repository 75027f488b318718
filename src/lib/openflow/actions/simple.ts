import type { Action } from "../action.ts";
import { formatPort, parsePort, portFromWire16, portToWire, portToWire16 } from "../port.ts";
import { formatHex } from "../value-text.ts";
import { type ActionCodec, compact, formatTable, niciraHeader, parseNumber, parseOptions, parseTable, standardHeader } from "./codec.ts";
import { dottedHex, parseDottedHex } from "./output.ts";

type Of<Type extends Action["type"]> = ActionCodec<Extract<Action, { readonly type: Type }>>;
type Resubmit = Extract<Action, { readonly type: "resubmit" }>;

const anyTable = 255;
const resubmitSubtype = { port: 1, table: 14, tableWithConntrack: 44 } as const;

export const resubmit: Of<"resubmit"> = {
  write(writer, { table, port, ct }) {
    const subtype = ct ? resubmitSubtype.tableWithConntrack : table === undefined ? resubmitSubtype.port : resubmitSubtype.table;
    niciraHeader(writer, subtype)
      .uint16(portToWire16(port ?? "IN_PORT") ?? 0)
      .uint8(subtype === resubmitSubtype.port ? 0 : (table ?? anyTable))
      .zeros(3);
  },
  nicira: {
    [resubmitSubtype.port]: (body) => readResubmit(body.uint16(), anyTable, false),
    [resubmitSubtype.table]: (body) => readResubmit(body.uint16(), body.uint8(), false),
    [resubmitSubtype.tableWithConntrack]: (body) => readResubmit(body.uint16(), body.uint8(), true),
  },
  format({ table, port, ct }, { names }) {
    const inPort = port === undefined || portToWire(port) === portToWire("IN_PORT") ? "" : formatPort(port);
    if (inPort !== "" && table === undefined) return `resubmit:${inPort}`;
    return `resubmit(${inPort},${table === undefined ? "" : formatTable(table, names)}${ct ? ",ct" : ""})`;
  },
  parse: {
    resubmit({ argument }, { numbers }) {
      const [portText = "", tableText = "", ct = ""] = argument.split(",");
      const port = portText === "" ? undefined : parsePort(portText);
      const table = tableText === "" ? undefined : parseTable(tableText, numbers);
      if ((port === undefined && portText !== "") || (table === undefined && tableText !== "") || (ct !== "" && ct !== "ct"))
        return undefined;
      if (table === undefined && port === undefined) return undefined;
      return compact<Resubmit>({
        type: "resubmit",
        table,
        port: port === "IN_PORT" ? undefined : port,
        ct: ct === "ct" ? true : undefined,
      });
    },
  },
};

function readResubmit(port: number, table: number, ct: boolean): Resubmit {
  const inPort = portFromWire16(port);
  return compact<Resubmit>({
    type: "resubmit",
    table: table === anyTable ? undefined : table,
    port: inPort === "IN_PORT" ? undefined : inPort,
    ct: ct ? true : undefined,
  });
}

export const conjunction: Of<"conjunction"> = {
  write(writer, { id, clause, clauses }) {
    niciraHeader(writer, 34)
      .uint8(clause - 1)
      .uint8(clauses)
      .uint32(id);
  },
  nicira: { 34: (body) => ({ type: "conjunction", clause: body.uint8() + 1, clauses: body.uint8(), id: body.uint32() }) },
  format: ({ id, clause, clauses }) => `conjunction(${id},${clause}/${clauses})`,
  parse: {
    conjunction({ argument }) {
      const [, id = "", clause, clauses] = /^\s*(\S+?)\s*,\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(argument) ?? [];
      const number = parseNumber(id, 0xffffffff);
      if (number === undefined || Number(clause) < 1 || Number(clause) > Number(clauses) || Number(clauses) > 64) return undefined;
      return { type: "conjunction", id: number, clause: Number(clause), clauses: Number(clauses) };
    },
  },
};

export const decTtl: Of<"dec_ttl"> = {
  write(writer, { ids }) {
    if (ids === undefined) standardHeader(writer, 24).zeros(4);
    else {
      niciraHeader(writer, 21).uint16(ids.length).zeros(4);
      for (const id of ids) writer.uint16(id);
    }
  },
  standard: { 24: () => ({ type: "dec_ttl" }) },
  nicira: {
    21(body) {
      const count = body.uint16();
      body.skip(4);
      return { type: "dec_ttl", ids: Array.from({ length: Math.min(count, body.left / 2) }, () => body.uint16()) };
    },
  },
  format: ({ ids }) => (ids === undefined ? "dec_ttl" : `dec_ttl(${ids.join(",")})`),
  parse: {
    dec_ttl({ argument }) {
      if (argument === "") return { type: "dec_ttl" };
      const ids = argument.split(",").map((part) => parseNumber(part.trim(), 0xffff));
      return ids.every((id) => id !== undefined) ? { type: "dec_ttl", ids } : undefined;
    },
  },
};

export const meter: Of<"meter"> = {
  write: (writer, action) => void standardHeader(writer, 29).uint32(action.meter),
  standard: { 29: (body) => ({ type: "meter", meter: body.uint32() }) },
  format: (action) => `meter:${action.meter}`,
  parse: {
    meter({ argument }) {
      const number = parseNumber(argument, 0xffffffff);
      return number === undefined ? undefined : { type: "meter", meter: number };
    },
  },
};

export const setQueue: Of<"set_queue"> = {
  write: (writer, { queue }) => void standardHeader(writer, 21).uint32(queue),
  standard: { 21: (body) => ({ type: "set_queue", queue: body.uint32() }) },
  format: ({ queue }) => `set_queue:${queue}`,
  parse: {
    set_queue({ argument }) {
      const queue = parseNumber(argument, 0xffffffff);
      return queue === undefined ? undefined : { type: "set_queue", queue };
    },
  },
};

export const pushVlan: Of<"push_vlan"> = {
  write: (writer, { etherType }) => void standardHeader(writer, 17).uint16(etherType).zeros(2),
  standard: { 17: (body) => ({ type: "push_vlan", etherType: body.uint16() }) },
  format: ({ etherType }) => `push_vlan:${formatHex(BigInt(etherType))}`,
  parse: {
    push_vlan({ argument }) {
      const etherType = parseNumber(argument, 0xffff);
      return etherType === undefined ? undefined : { type: "push_vlan", etherType };
    },
  },
};

export const popVlan: Of<"pop_vlan"> = {
  write: (writer) => void standardHeader(writer, 18).zeros(4),
  standard: { 18: () => ({ type: "pop_vlan" }) },
  format: () => "pop_vlan",
  parse: { pop_vlan: () => ({ type: "pop_vlan" }), strip_vlan: () => ({ type: "pop_vlan" }) },
};

export const popQueue: Of<"pop_queue"> = {
  write: (writer) => void niciraHeader(writer, 5),
  nicira: { 5: () => ({ type: "pop_queue" }) },
  format: () => "pop_queue",
  parse: { pop_queue: () => ({ type: "pop_queue" }) },
};

export const exit: Of<"exit"> = {
  write: (writer) => void niciraHeader(writer, 17),
  nicira: { 17: () => ({ type: "exit" }) },
  format: () => "exit",
  parse: { exit: () => ({ type: "exit" }) },
};

export const note: Of<"note"> = {
  write: (writer, { bytes }) => void niciraHeader(writer, 8).bytes(bytes),
  nicira: { 8: (body) => ({ type: "note", bytes: body.rest().slice() }) },
  // On the wire a note fills its action up with zeros, and comes back so.
  format: ({ bytes }) =>
    `note:${dottedHex(Uint8Array.from({ length: 6 + 8 * Math.ceil(Math.max(0, bytes.length - 6) / 8) }, (_, index) => bytes[index] ?? 0))}`,
  parse: {
    note: ({ argument }) => (/^([0-9a-f]{2}\.?)*$/i.test(argument) ? { type: "note", bytes: parseDottedHex(argument) } : undefined),
  },
};

export const finTimeout: Of<"fin_timeout"> = {
  write: (writer, { idleTimeout, hardTimeout }) => void niciraHeader(writer, 19).uint16(idleTimeout).uint16(hardTimeout).zeros(2),
  nicira: { 19: (body) => ({ type: "fin_timeout", idleTimeout: body.uint16(), hardTimeout: body.uint16() }) },
  format({ idleTimeout, hardTimeout }) {
    const options = [idleTimeout ? `idle_timeout=${idleTimeout}` : "", hardTimeout ? `hard_timeout=${hardTimeout}` : ""];
    return `fin_timeout(${options.filter((option) => option !== "").join(",")})`;
  },
  parse: {
    fin_timeout({ argument }) {
      const options = new Map(parseOptions(argument));
      const idleTimeout = parseNumber(options.get("idle_timeout") ?? "0", 0xffff);
      const hardTimeout = parseNumber(options.get("hard_timeout") ?? "0", 0xffff);
      return idleTimeout === undefined || hardTimeout === undefined ? undefined : { type: "fin_timeout", idleTimeout, hardTimeout };
    },
  },
};

export const clone: Of<"clone"> = {
  write(writer, { actions }, nested) {
    niciraHeader(writer, 42).zeros(6);
    nested.write(writer, actions);
  },
  nicira: {
    42(body, nested) {
      body.skip(6);
      return { type: "clone", actions: nested.read(body) };
    },
  },
  format: ({ actions }, { format }) => `clone(${format(actions)})`,
  parse: { clone: ({ argument }, { parse }) => ({ type: "clone", actions: parse(argument) }) },
};

export const unknown: Of<"unknown"> = {
  write: (writer, { bytes }) => void writer.bytes(bytes),
  format: ({ layer, bytes }) => `unknown_${layer}(${Buffer.from(bytes).toString("hex")})`,
  parse: {
    unknown_action: ({ argument }) => parseUnknown("action", argument),
    unknown_instruction: ({ argument }) => parseUnknown("instruction", argument),
  },
};

function parseUnknown(layer: "action" | "instruction", hex: string): Action | undefined {
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  return bytes.length >= 8 && bytes.length % 8 === 0 && bytes.length * 2 === hex.length ? { type: "unknown", layer, bytes } : undefined;
}
