import type { Action } from "../action.ts";
import { formatHex, parseInteger } from "../value-text.ts";
import { type ActionCodec, formatTable, parseTable, standardHeader } from "./codec.ts";

type Of<Type extends Action["type"]> = ActionCodec<Extract<Action, { readonly type: Type }>>;

const allOnes = 0xffff_ffff_ffff_ffffn;

export const gotoTable: Of<"goto_table"> = {
  write: (writer, { table }) => void standardHeader(writer, 1).uint8(table).zeros(3),
  standard: { 1: (body) => ({ type: "goto_table", table: body.uint8() }) },
  format: ({ table }, { names }) => `goto_table:${formatTable(table, names)}`,
  parse: {
    goto_table({ argument }, { numbers }) {
      const table = parseTable(argument, numbers);
      return table === undefined ? undefined : { type: "goto_table", table };
    },
  },
};

export const writeMetadata: Of<"write_metadata"> = {
  write: (writer, { value, mask }) =>
    void standardHeader(writer, 2)
      .zeros(4)
      .uint64(value)
      .uint64(mask ?? allOnes),
  standard: {
    2(body) {
      body.skip(4);
      const value = body.uint64();
      const mask = body.uint64();
      return mask === allOnes ? { type: "write_metadata", value } : { type: "write_metadata", value, mask };
    },
  },
  format: ({ value, mask }) => `write_metadata:${formatHex(value)}${mask === undefined ? "" : `/${formatHex(mask)}`}`,
  parse: {
    write_metadata({ argument }) {
      const [value, mask] = argument.split("/").map(parseInteger);
      if (value === undefined || value > allOnes || (argument.includes("/") && (mask === undefined || mask > allOnes))) return undefined;
      return mask === undefined || mask === allOnes ? { type: "write_metadata", value } : { type: "write_metadata", value, mask };
    },
  },
};

export const writeActions: Of<"write_actions"> = {
  write(writer, { actions }, nested) {
    standardHeader(writer, 3).zeros(4);
    nested.write(writer, actions);
  },
  standard: {
    3(body, nested) {
      body.skip(4);
      return { type: "write_actions", actions: nested.read(body) };
    },
  },
  format: ({ actions }, { format }) => `write_actions(${format(actions)})`,
  parse: { write_actions: ({ argument }, { parse }) => ({ type: "write_actions", actions: parse(argument) }) },
};

export const clearActions: Of<"clear_actions"> = {
  write: (writer) => void standardHeader(writer, 5).zeros(4),
  standard: { 5: () => ({ type: "clear_actions" }) },
  format: () => "clear_actions",
  parse: { clear_actions: () => ({ type: "clear_actions" }) },
};
