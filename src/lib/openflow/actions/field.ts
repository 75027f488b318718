import type { Action } from "../action.ts";
import { type Field, type FieldName, fields, findField } from "../fields.ts";
import { readFieldHeader, readTerm, writeFieldHeader, writeTerm } from "../oxm.ts";
import { formatSubfield, parseSubfield, type Subfield, subfieldMask } from "../subfield.ts";
import { formatValue, parseInteger, parseValue } from "../value-text.ts";
import { type ActionCodec, type ActionWords, niciraHeader, parseNumber, standardHeader } from "./codec.ts";

type Of<Type extends Action["type"]> = ActionCodec<Extract<Action, { readonly type: Type }>>;

/** The name that ovs-ofctl gives a field in set_field and learn. */
export const printedName = (field: Field): string => (field.name === "ip_proto" ? "nw_proto" : field.name);

/** A set_field without what is default. */
export function setField(field: FieldName, value: bigint, mask: bigint): Action {
  return mask === fields[field].allOnes ? { type: "set_field", field, value } : { type: "set_field", field, value: value & mask, mask };
}

export const setFieldCodec: Of<"set_field"> = {
  write(writer, { field: name, value, mask }) {
    const field = fields[name];
    standardHeader(writer, 25);
    writeTerm(writer, mask === undefined ? { field, value, mask: field.allOnes } : { field, value: value & mask, mask });
  },
  standard: {
    25(body) {
      const term = readTerm(body, new Uint8Array(0));
      return term instanceof Uint8Array ? undefined : setField(term.field.name, term.value, term.mask);
    },
  },
  format({ field, value, mask }) {
    return `set_field:${formatValue(fields[field], value, mask ?? fields[field].allOnes)}->${printedName(fields[field])}`;
  },
  parse: {
    set_field({ argument }) {
      const [text, target] = arrow(argument);
      const field = findField(target);
      if (field === undefined || text === "") return undefined;
      const { value, mask } = parseValue(field, text);
      return setField(field.name, value, mask);
    },
    mod_dl_src: ({ argument }) => ({ type: "set_field", field: "eth_src", value: parseValue(fields.eth_src, argument).value }),
    mod_dl_dst: ({ argument }) => ({ type: "set_field", field: "eth_dst", value: parseValue(fields.eth_dst, argument).value }),
    mod_nw_src: ({ argument }) => ({ type: "set_field", field: "ip_src", value: parseValue(fields.ip_src, argument).value }),
    mod_nw_dst: ({ argument }) => ({ type: "set_field", field: "ip_dst", value: parseValue(fields.ip_dst, argument).value }),
    set_tunnel: ({ argument }) => ({ type: "set_field", field: "tun_id", value: parseValue(fields.tun_id, argument).value }),
  },
};

/** What `load` does, as the set_field that OpenFlow 1.5 has for it. */
export function loadAsSetField(value: bigint, destination: Subfield): Action {
  return setField(destination.field, value << BigInt(destination.offset), subfieldMask(destination));
}

export const load: Of<"load"> = {
  write(writer, { value, destination }, nested) {
    const action = loadAsSetField(value, destination);
    if (action.type === "set_field") setFieldCodec.write(writer, action, nested);
  },
  format({ value, destination }, text) {
    return text.format([loadAsSetField(value, destination)]);
  },
  parse: {
    load({ argument }) {
      const [text, target] = arrow(argument);
      const value = parseInteger(text);
      const destination = parseSubfield(target);
      return value === undefined || value >> BigInt(destination.bits) !== 0n ? undefined : loadAsSetField(value, destination);
    },
  },
};

export const move: Of<"move"> = {
  write(writer, { source, destination }) {
    standardHeader(writer, 28).uint16(destination.bits).uint16(source.offset).uint16(destination.offset).zeros(2);
    writeFieldHeader(writer, fields[source.field]);
    writeFieldHeader(writer, fields[destination.field]);
  },
  standard: {
    28(body) {
      const bits = body.uint16();
      const from = body.uint16();
      const to = body.uint16();
      body.skip(2);
      const source = readFieldHeader(body).field;
      const destination = readFieldHeader(body).field;
      if (source === undefined || destination === undefined) return undefined;
      return {
        type: "move",
        source: { field: source.name, offset: from, bits },
        destination: { field: destination.name, offset: to, bits },
      };
    },
  },
  format: ({ source, destination }) => `move:${formatSubfield(source)}->${formatSubfield(destination)}`,
  parse: {
    move({ argument }) {
      const [from, to] = arrow(argument);
      const source = parseSubfield(from);
      const destination = parseSubfield(to);
      return source.bits === destination.bits ? { type: "move", source, destination } : undefined;
    },
  },
};

const stack =
  (subtype: number) =>
  (writer: Parameters<typeof writeFieldHeader>[0], { field, offset, bits }: Subfield): void => {
    niciraHeader(writer, subtype).uint16(offset);
    writeFieldHeader(writer, fields[field]);
    writer.uint16(bits).zeros(6);
  };

const readStack = (body: Parameters<typeof readFieldHeader>[0]): Subfield | undefined => {
  const offset = body.uint16();
  const { field } = readFieldHeader(body);
  return field === undefined ? undefined : { field: field.name, offset, bits: body.uint16() };
};

export const push: Of<"push"> = {
  write: (writer, { source }) => stack(27)(writer, source),
  nicira: {
    27(body) {
      const source = readStack(body);
      return source === undefined ? undefined : { type: "push", source };
    },
  },
  format: ({ source }) => `push:${formatSubfield(source)}`,
  parse: { push: ({ argument }) => ({ type: "push", source: parseSubfield(argument) }) },
};

export const pop: Of<"pop"> = {
  write: (writer, { destination }) => stack(28)(writer, destination),
  nicira: {
    28(body) {
      const destination = readStack(body);
      return destination === undefined ? undefined : { type: "pop", destination };
    },
  },
  format: ({ destination }) => `pop:${formatSubfield(destination)}`,
  parse: { pop: ({ argument }) => ({ type: "pop", destination: parseSubfield(argument) }) },
};

export const checkPacketLarger: Of<"check_pkt_larger"> = {
  write(writer, { length, destination }) {
    niciraHeader(writer, 49).uint16(length).uint16(destination.offset);
    writeFieldHeader(writer, fields[destination.field]);
    writer.zeros(6);
  },
  nicira: {
    49(body) {
      const length = body.uint16();
      const offset = body.uint16();
      const { field } = readFieldHeader(body);
      return field === undefined ? undefined : { type: "check_pkt_larger", length, destination: { field: field.name, offset, bits: 1 } };
    },
  },
  format: ({ length, destination }) => `check_pkt_larger(${length})->${formatSubfield(destination)}`,
  parse: {
    check_pkt_larger({ argument, rest }: ActionWords) {
      const length = parseNumber(argument, 0xffff);
      const destination = parseSubfield(rest.replace(/^->/, ""));
      return length === undefined || destination.bits !== 1 ? undefined : { type: "check_pkt_larger", length, destination };
    },
  },
};

function arrow(text: string): readonly [before: string, after: string] {
  const at = text.indexOf("->");
  return at < 0 ? [text, ""] : [text.slice(0, at).trim(), text.slice(at + 2).trim()];
}
