import { Reader, type Writer } from "#lib/bytes/index.ts";
import type { LearnAction, LearnSpec } from "../action.ts";
import { fields, findField } from "../fields.ts";
import { readFieldHeader, readValue, writeFieldHeader, writeValue } from "../oxm.ts";
import { formatSubfield, type Subfield, tryParseSubfield } from "../subfield.ts";
import { formatHex, formatValue, parseInteger, parseValue } from "../value-text.ts";
import { type ActionCodec, compact, formatTable, niciraHeader, parseNumber, parseOptions, parseTable } from "./codec.ts";
import { printedName } from "./field.ts";

const learnFlag = { sendFlowRemoved: 1, deleteLearned: 2, writeResult: 4 } as const;
const fromConstant = 0x2000;
const target = { match: 0, load: 0x0800, output: 0x1000 } as const;
const targetMask = 0x1800;
const bitsMask = 0x07ff;
const defaultPriority = 0x8000;

export const learn: ActionCodec<LearnAction> = {
  write(writer, action) {
    const { limit, resultDestination } = action;
    const second = limit !== undefined || resultDestination !== undefined;
    niciraHeader(writer, second ? 45 : 16)
      .uint16(action.idleTimeout ?? 0)
      .uint16(action.hardTimeout ?? 0)
      .uint16(action.priority ?? defaultPriority)
      .uint64(action.cookie ?? 0n)
      .uint16(
        (action.sendFlowRemoved ? learnFlag.sendFlowRemoved : 0) |
          (action.deleteLearned ? learnFlag.deleteLearned : 0) |
          (resultDestination === undefined ? 0 : learnFlag.writeResult),
      )
      .uint8(action.table)
      .uint8(0)
      .uint16(action.finIdleTimeout ?? 0)
      .uint16(action.finHardTimeout ?? 0);
    if (second) {
      writer
        .uint32(limit ?? 0)
        .uint16(resultDestination?.offset ?? 0)
        .uint16(0);
      if (resultDestination !== undefined) writeFieldHeader(writer, fields[resultDestination.field]);
    }
    for (const spec of action.specs) writeSpec(writer, spec);
  },
  nicira: { 16: (body) => readLearn(body, false), 45: (body) => readLearn(body, true) },
  format(action, { names }) {
    const parts = [`table=${formatTable(action.table, names)}`];
    const option = (name: string, value: number | undefined): void => {
      if (value) parts.push(`${name}=${value}`);
    };
    option("idle_timeout", action.idleTimeout);
    option("hard_timeout", action.hardTimeout);
    option("fin_idle_timeout", action.finIdleTimeout);
    option("fin_hard_timeout", action.finHardTimeout);
    if (action.priority !== undefined && action.priority !== defaultPriority) parts.push(`priority=${action.priority}`);
    if (action.sendFlowRemoved) parts.push("send_flow_rem");
    if (action.deleteLearned) parts.push("delete_learned");
    if (action.cookie) parts.push(`cookie=${formatHex(action.cookie)}`);
    option("limit", action.limit);
    if (action.resultDestination !== undefined) parts.push(`result_dst=${formatSubfield(action.resultDestination)}`);
    return `learn(${[...parts, ...action.specs.map(formatSpec)].join(",")})`;
  },
  parse: {
    learn({ argument }, { numbers }) {
      let found: LearnAction = { type: "learn", table: 1, specs: [] };
      const specs: LearnSpec[] = [];
      for (const [key, value] of parseOptions(argument)) {
        const number = parseNumber(value, key === "limit" ? 0xffffffff : 0xffff);
        const timeout = timeoutKeys[key];
        if (timeout !== undefined && number !== undefined) {
          if (number !== 0) found = { ...found, [timeout]: number };
        } else if (key === "table") {
          const table = parseTable(value, numbers);
          if (table === undefined) return undefined;
          found = { ...found, table };
        } else if (key === "priority" && number !== undefined) {
          if (number !== defaultPriority) found = { ...found, priority: number };
        } else if (key === "limit" && number !== undefined) found = { ...found, limit: number };
        else if (key === "cookie") {
          const cookie = parseInteger(value);
          if (cookie === undefined) return undefined;
          if (cookie !== 0n) found = { ...found, cookie };
        } else if (key === "send_flow_rem") found = { ...found, sendFlowRemoved: true };
        else if (key === "delete_learned") found = { ...found, deleteLearned: true };
        else if (key === "result_dst") {
          const resultDestination = tryParseSubfield(value);
          if (resultDestination === undefined) return undefined;
          found = { ...found, resultDestination };
        } else {
          const spec = parseSpec(key, value);
          if (spec === undefined) return undefined;
          specs.push(spec);
        }
      }
      return { ...found, specs };
    },
  },
};

const timeoutKeys: Readonly<Record<string, "idleTimeout" | "hardTimeout" | "finIdleTimeout" | "finHardTimeout">> = {
  idle_timeout: "idleTimeout",
  hard_timeout: "hardTimeout",
  fin_idle_timeout: "finIdleTimeout",
  fin_hard_timeout: "finHardTimeout",
};

function readLearn(body: Reader, second: boolean): LearnAction | undefined {
  const idleTimeout = body.uint16();
  const hardTimeout = body.uint16();
  const priority = body.uint16();
  const cookie = body.uint64();
  const flags = body.uint16();
  const table = body.uint8();
  body.skip(1);
  const finIdleTimeout = body.uint16();
  const finHardTimeout = body.uint16();
  let limit = 0;
  let resultDestination: Subfield | undefined;
  if (second) {
    limit = body.uint32();
    const offset = body.uint16();
    body.skip(2);
    if (flags & learnFlag.writeResult) {
      const { field } = readFieldHeader(body);
      if (field === undefined) return undefined;
      resultDestination = { field: field.name, offset, bits: 1 };
    }
  }
  const specs: LearnSpec[] = [];
  // A header of zero is padding.
  for (let header = body.left < 2 ? 0 : body.uint16(); header !== 0; header = body.left < 2 ? 0 : body.uint16()) {
    const spec = readSpec(body, header);
    if (spec === undefined) return undefined;
    specs.push(spec);
  }
  return compact<LearnAction>({
    type: "learn",
    table,
    priority: priority === defaultPriority ? undefined : priority,
    idleTimeout: idleTimeout || undefined,
    hardTimeout: hardTimeout || undefined,
    finIdleTimeout: finIdleTimeout || undefined,
    finHardTimeout: finHardTimeout || undefined,
    cookie: cookie || undefined,
    sendFlowRemoved: flags & learnFlag.sendFlowRemoved ? true : undefined,
    deleteLearned: flags & learnFlag.deleteLearned ? true : undefined,
    limit: limit || undefined,
    resultDestination,
    specs,
  });
}

/** Constants stand in whole 16-bit words. */
const constantBytes = (bits: number): number => 2 * Math.ceil(bits / 16);

function writeSpec(writer: Writer, spec: LearnSpec): void {
  const bits = spec.kind === "output" ? spec.source.bits : spec.destination.bits;
  const constant = typeof spec.source === "bigint";
  writer.uint16(bits | target[spec.kind] | (constant ? fromConstant : 0));
  if (typeof spec.source === "bigint") writeValue(writer, spec.source, constantBytes(bits));
  else writeRange(writer, spec.source);
  if (spec.kind !== "output") writeRange(writer, spec.destination);
}

function writeRange(writer: Writer, { field, offset }: Subfield): void {
  writeFieldHeader(writer, fields[field]);
  writer.uint16(offset);
}

function readSpec(body: Reader, header: number): LearnSpec | undefined {
  const bits = header & bitsMask;
  const kind = header & targetMask;
  const source = header & fromConstant ? readValue(body, constantBytes(bits)) : readRange(body, bits);
  if (source === undefined) return undefined;
  if (kind === target.output) return typeof source === "bigint" ? undefined : { kind: "output", source };
  const destination = readRange(body, bits);
  if (destination === undefined || kind === targetMask) return undefined;
  return { kind: kind === target.match ? "match" : "load", destination, source };
}

function readRange(body: Reader, bits: number): Subfield | undefined {
  const { field } = readFieldHeader(new Reader(body.bytes(4)));
  const offset = body.uint16();
  return field === undefined ? undefined : { field: field.name, offset, bits };
}

function formatSpec(spec: LearnSpec): string {
  if (spec.kind === "output") return `output:${formatSubfield(spec.source)}`;
  const { destination, source } = spec;
  if (spec.kind === "load")
    return `load:${typeof source === "bigint" ? formatHex(source) : formatSubfield(source)}->${formatSubfield(destination)}`;
  if (typeof source !== "bigint") {
    const same = source.field === destination.field && source.offset === destination.offset;
    return same ? formatSubfield(destination) : `${formatSubfield(destination)}=${formatSubfield(source)}`;
  }
  const field = fields[destination.field];
  return destination.bits === field.bits
    ? `${printedName(field)}=${formatValue(field, source)}`
    : `${formatSubfield(destination)}=${formatHex(source)}`;
}

/** `NAME[]`, `NAME[]=OTHER[]`, `NAME[]=5`, `field=value`, `load:…->…`, `output:…`. The first `=` divides key and value. */
function parseSpec(key: string, value: string): LearnSpec | undefined {
  const colon = /^(load|output):(.*)$/.exec(key);
  if (colon?.[1] === "output") {
    const source = tryParseSubfield(colon[2] ?? "");
    return source === undefined ? undefined : { kind: "output", source };
  }
  if (colon?.[1] === "load") {
    const [from = "", to = ""] = (colon[2] ?? "").split("->");
    const source = parseInteger(from) ?? tryParseSubfield(from);
    const destination = tryParseSubfield(to);
    return source === undefined || destination === undefined ? undefined : { kind: "load", destination, source };
  }
  const destination = tryParseSubfield(key);
  if (destination === undefined) return undefined;
  if (value === "") return { kind: "match", destination, source: destination };
  const source = tryParseSubfield(value);
  if (source !== undefined) return { kind: "match", destination, source };
  const field = findField(key);
  const constant = field === undefined ? parseInteger(value) : parseValue(field, value).value;
  return constant === undefined ? undefined : { kind: "match", destination, source: constant };
}
