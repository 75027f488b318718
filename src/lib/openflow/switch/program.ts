import type { Action } from "../action.ts";
import { type FieldName, fields } from "../fields.ts";
import { subfieldMask } from "../subfield.ts";
import { type Move, movesBetween, type WordValue, wordOf, wordValues } from "./layout.ts";
import type { Fault } from "./faults.ts";

/** One action, with its words worked out beforehand. */
export interface Step {
  readonly action: Action;
  /** What a field must be for the action to apply to a packet: other fields' words and permitted values. */
  readonly needs: readonly Need[];
  readonly set?: readonly WordValue[];
  readonly moves?: readonly Move[];
  readonly nested?: Program;
}

export interface Need {
  readonly word: number;
  readonly permitted: readonly number[];
}

export type Program = readonly Step[];

/** Works actions out once, so that running them is copying words. */
export function compileActions(actions: readonly Action[], fault?: Fault): Program {
  return actions.map((action) => compileAction(action, fault));
}

function compileAction(action: Action, fault: Fault | undefined): Step {
  switch (action.type) {
    case "set_field": {
      const { allOnes } = fields[action.field];
      if (fault === "destinations are not rewritten" && action.field === "eth_dst") return { action, needs: [], set: [] };
      const mask = fault === "set_field ignores its mask" ? allOnes : (action.mask ?? allOnes);
      return { action, needs: needsOf(action.field), set: setWords(action.field, action.value, mask) };
    }
    case "load": {
      const { field, offset } = action.destination;
      return { action, needs: needsOf(field), set: setWords(field, action.value << BigInt(offset), subfieldMask(action.destination)) };
    }
    case "move": {
      const moves = movesBetween(action.source, action.destination).map((move) =>
        fault === "move starts one bit too low" && move.from.shift > 0
          ? { ...move, from: { ...move.from, shift: move.from.shift - 1 } }
          : move,
      );
      return { action, needs: [...needsOf(action.source.field), ...needsOf(action.destination.field)], moves };
    }
    case "clone":
    case "write_actions":
      return { action, needs: [], nested: compileActions(action.actions, fault) };
    case "ct":
      return { action, needs: [], nested: compileActions(action.exec ?? [], fault) };
    default:
      return { action, needs: [] };
  }
}

const sixteenBitReserved = 0xff00n;

function setWords(field: FieldName, value: bigint, mask: bigint): readonly WordValue[] {
  const wide = field === "in_port" && value >= sixteenBitReserved ? value + 0xffff_0000n : value;
  const words = wordValues(
    field === "in_port" ? "in_port_oxm" : field,
    wide & (field === "in_port" ? 0xffff_ffffn : mask),
    field === "in_port" ? 0xffff_ffffn : mask,
  );
  // Setting a tag's identifier or priority puts a tag on.
  return field === "vlan_vid" || field === "vlan_pcp"
    ? words.map((word) => ({ ...word, value: word.value | 0x1000, mask: word.mask | 0x1000 }))
    : words;
}

const later = 2;
const transport = /^(tcp|udp|sctp|icmp|icmpv6|nd)_/;

function needsOf(field: FieldName): Need[] {
  const needs = Object.entries(fields[field].prerequisites).map(([name, values]) => ({
    word: wordOf(name as FieldName),
    permitted: values.map((value) => Number(value) | 0),
  }));
  // Later fragments have no transport header.
  return transport.test(field) ? [...needs, { word: wordOf("ip_frag"), permitted: [0, later - 1] }] : needs;
}
