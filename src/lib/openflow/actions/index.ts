import { OutOfBytes, Reader, Writer } from "#lib/bytes/index.ts";
import type { Action, ActionType } from "../action.ts";
import { InvalidFlowText, UnencodableFlow } from "../errors.ts";
import { experimenters } from "../fields.ts";
import { formatPort, parsePort } from "../port.ts";
import { bundleLoad } from "./bundle-load.ts";
import {
  type ActionCodec,
  type ActionCodecs,
  type ActionWords,
  type NestedActions,
  splitList,
  type TableNames,
  type TableNumbers,
} from "./codec.ts";
import { conntrack, conntrackClear } from "./conntrack.ts";
import { checkPacketLarger, load, move, pop, push, setFieldCodec } from "./field.ts";
import { clearActions, gotoTable, writeActions as writeActionsCodec, writeMetadata } from "./instructions.ts";
import { learn } from "./learn.ts";
import { controller, group, output, outputReg } from "./output.ts";
import {
  clone,
  conjunction,
  decTtl,
  exit,
  finTimeout,
  meter,
  note,
  popQueue,
  popVlan,
  pushVlan,
  resubmit,
  setQueue,
  unknown,
} from "./simple.ts";

export type { TableNames, TableNumbers } from "./codec.ts";

const codecs: ActionCodecs = {
  output,
  output_reg: outputReg,
  set_field: setFieldCodec,
  load,
  move,
  push_vlan: pushVlan,
  pop_vlan: popVlan,
  resubmit,
  goto_table: gotoTable,
  write_metadata: writeMetadata,
  write_actions: writeActionsCodec,
  clear_actions: clearActions,
  ct: conntrack,
  ct_clear: conntrackClear,
  dec_ttl: decTtl,
  group,
  meter,
  conjunction,
  learn,
  controller,
  note,
  push,
  pop,
  set_queue: setQueue,
  pop_queue: popQueue,
  exit,
  fin_timeout: finTimeout,
  check_pkt_larger: checkPacketLarger,
  bundle_load: bundleLoad,
  clone,
  unknown,
};

/** Instructions stand behind the actions, in this order (OpenFlow 1.5 §5.5; ovs-ofctl insists on it too). */
const instructionRank: { readonly [Type in ActionType]?: number } = {
  clear_actions: 1,
  write_actions: 2,
  write_metadata: 3,
  goto_table: 4,
};
const rankOf = (action: Action): number =>
  action.type === "unknown" ? (action.layer === "instruction" ? 5 : 0) : (instructionRank[action.type] ?? 0);

/** Open vSwitch's own bound on actions within actions. */
const maxNesting = 100;

/** Writes a list of actions as group buckets and packet-outs hold it. Throws {@link UnencodableFlow} for an instruction in it. */
export function writeActions(writer: Writer, actions: readonly Action[]): void {
  for (const action of actions) {
    if (rankOf(action) !== 0) throw new UnencodableFlow(action.type, "is an instruction of flows and cannot stand in a list of actions");
    writeOne(writer, action);
  }
}

/** What was written last, with its bytes from the second time on: of a peer's thousands of look-ups all do the same, and have one list between them. */
const last: { actions: readonly Action[] | undefined; bytes: Uint8Array | undefined } = { actions: undefined, bytes: undefined };

/** Writes what a flow does as instructions. Throws {@link UnencodableFlow} when an action stands behind an instruction. */
export function writeInstructions(writer: Writer, actions: readonly Action[]): void {
  const again = last.actions === actions;
  if (again && last.bytes !== undefined) {
    writer.bytes(last.bytes);
    return;
  }
  const start = writer.length;
  writeEach(writer, actions);
  last.actions = actions;
  last.bytes = again ? writer.result().slice(start) : undefined;
}

function writeEach(writer: Writer, actions: readonly Action[]): void {
  let index = 0;
  const start = writer.length;
  for (let action = actions[0]; action !== undefined && rankOf(action) === 0; action = actions[index]) {
    if (index++ === 0) writer.uint16(applyActions).uint16(0).uint32(0);
    writeOne(writer, action);
  }
  if (index > 0) patchLength(writer, start, "apply_actions");
  for (let last = 0; index < actions.length; index++) {
    const action = actions[index];
    if (action === undefined || rankOf(action) < last || rankOf(action) === 0)
      throw new UnencodableFlow(
        action?.type ?? "",
        "must stand before the instructions: actions, clear_actions, write_actions, write_metadata, goto_table",
      );
    last = rankOf(action);
    writeOne(writer, action);
  }
}

/** Reads actions up to the end of `reader`. Total: what it does not understand comes back as unknown, whole. */
export function readActions(reader: Reader, depth = 0): Action[] {
  return readList(reader, depth, "action");
}

/** Reads the instructions of a flow up to the end of `reader`. Total like {@link readActions}. */
export function readInstructions(reader: Reader): Action[] {
  const instructions = readList(reader, 0, "instruction");
  const order = (action: Action): number => (rankOf(action) === 0 ? 0 : rankOf(action));
  return instructions.sort((one, other) => order(one) - order(other));
}

/** The actions in ovs-ofctl's words; `drop` for none. */
export function formatActions(actions: readonly Action[], names: TableNames = {}): string {
  if (actions.length === 0) return "drop";
  const text = { names, format: (nested: readonly Action[]) => formatActions(nested, names) };
  return actions.map((action) => codecOf(action).format(action, text)).join(",");
}

/** Reads what stands behind `actions=`. Throws {@link InvalidFlowText}. */
export function parseActions(text: string, numbers: TableNumbers = {}): Action[] {
  const parts = splitList(text.trim());
  if (parts.length === 1 && parts[0]?.toLowerCase() === "drop") return [];
  return parts.map((part) => parseOne(part, numbers));
}

/** Whether two lists do the same to a switch: equal as they are, or the same bytes on the wire, as `load` and its set_field are. */
export function sameActions(one: readonly Action[], other: readonly Action[]): boolean {
  return sameValue(one, other) || Buffer.compare(encodeInstructions(one), encodeInstructions(other)) === 0;
}

function encodeInstructions(actions: readonly Action[]): Uint8Array {
  const writer = new Writer();
  writeInstructions(writer, actions);
  return writer.result();
}

function sameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => sameValue((one as Readonly<Record<string, unknown>>)[key], (other as Readonly<Record<string, unknown>>)[key]))
  );
}

const applyActions = 4;
const experimenterType = 0xffff;

function codecOf(action: Action): ActionCodec<Action> {
  return codecs[action.type] as ActionCodec<Action>;
}

function writeOne(writer: Writer, action: Action): void {
  const start = writer.length;
  codecOf(action).write(writer, action, topNested);
  writer.align(8, start);
  if (action.type !== "unknown") patchLength(writer, start, action.type);
}

function patchLength(writer: Writer, start: number, what: string): void {
  const length = writer.length - start;
  if (length > 0xffff) throw new UnencodableFlow(what, `takes ${length} bytes, more than the 65535 an action may have`);
  writer.patchUint16(start + 2, length);
}

const nestedAt = (depth: number): NestedActions => ({ depth, write: writeActions, read: (reader) => readActions(reader, depth + 1) });
const topNested = nestedAt(0);

type BodyReader = (body: Reader, nested: NestedActions) => Action | undefined;
const standardActions = new Map<number, BodyReader>();
const niciraActions = new Map<number, BodyReader>();
const instructionTypes = new Map<number, BodyReader>();
const keywords = new Map<string, ActionCodec<Action>["parse"][string]>();
for (const [type, codec] of Object.entries(codecs) as [ActionType, ActionCodec<Action>][]) {
  const standard = instructionRank[type] === undefined ? standardActions : instructionTypes;
  for (const [code, read] of Object.entries(codec.standard ?? {})) standard.set(Number(code), read);
  for (const [code, read] of Object.entries(codec.nicira ?? {})) niciraActions.set(Number(code), read);
  for (const [keyword, parse] of Object.entries(codec.parse)) keywords.set(keyword, parse);
}

function readList(reader: Reader, depth: number, layer: "action" | "instruction"): Action[] {
  const actions: Action[] = [];
  const nested = depth === 0 ? topNested : nestedAt(depth);
  while (reader.left >= 4) {
    const type = reader.uint16();
    const length = reader.uint16();
    if (length < 8 || length % 8 !== 0 || length - 4 > reader.left || depth > maxNesting) {
      actions.push(unknownAction(layer, type, length, reader.rest()));
      return actions;
    }
    const body = reader.bytes(length - 4);
    if (layer === "instruction" && type === applyActions) {
      actions.push(...readActions(new Reader(body, 4), depth));
      continue;
    }
    actions.push(readBody(type, body, layer, nested) ?? unknownAction(layer, type, length, body));
  }
  if (reader.left > 0) actions.push({ type: "unknown", layer, bytes: reader.rest().slice() });
  return actions;
}

function readBody(type: number, bytes: Uint8Array, layer: "action" | "instruction", nested: NestedActions): Action | undefined {
  const body = new Reader(bytes);
  try {
    if (layer === "instruction") return instructionTypes.get(type)?.(body, nested);
    if (type !== experimenterType) return standardActions.get(type)?.(body, nested);
    return body.uint32() === experimenters.nicira ? niciraActions.get(body.uint16())?.(body, nested) : undefined;
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined;
    throw error;
  }
}

function unknownAction(layer: "action" | "instruction", type: number, length: number, body: Uint8Array): Action {
  return { type: "unknown", layer, bytes: new Writer(body.length + 4).uint16(type).uint16(length).bytes(body).result() };
}

function parseOne(part: string, numbers: TableNumbers): Action {
  const words = actionWords(part);
  const parse = keywords.get(words.keyword);
  const nested = { numbers, parse: (text: string) => parseActions(text, numbers) };
  const port = parse === undefined && words.argument === "" ? parsePort(part) : undefined;
  const action = parse === undefined ? (port === undefined ? undefined : ({ type: "output", port } as const)) : parse(words, nested);
  if (action === undefined)
    throw new InvalidFlowText(
      part,
      parse === undefined ? `is no action and no port such as 1 or ${formatPort("LOCAL")}` : "is not what this action takes",
    );
  return action;
}

function actionWords(part: string): ActionWords {
  const [, keyword = part, separator, tail = ""] = /^([A-Za-z_]\w*)([:(=])(.*)$/s.exec(part) ?? [];
  if (separator !== "(") return { keyword: keyword.toLowerCase(), argument: tail, rest: "" };
  let depth = 1;
  let end = 0;
  for (; end < tail.length; end++) {
    if (tail[end] === "(") depth++;
    else if (tail[end] === ")" && --depth === 0) break;
  }
  return { keyword: keyword.toLowerCase(), argument: tail.slice(0, end), rest: tail.slice(end + 1) };
}
