import type { Action } from "../action.ts";
import { fields } from "../fields.ts";
import { readFieldHeader, writeFieldHeader } from "../oxm.ts";
import { formatSubfield, tryParseSubfield } from "../subfield.ts";
import { type ActionCodec, niciraHeader, packRange, parseNumber, splitList, unpackRange } from "./codec.ts";

/** NXM_OF_IN_PORT: members are ports. */
const portMembers = 0x0000_0002;
/** What Open vSwitch computes in any case and does not look at where members are tried in order. */
const ethSrc = 0;
const activeBackup = 0;
const fixed = ["eth_src", "0", "active_backup", "ofport"];

/** Of the ways to choose a member, the first one alive; others come back as unknown actions. */
export const bundleLoad: ActionCodec<Extract<Action, { readonly type: "bundle_load" }>> = {
  write(writer, { members, destination }) {
    niciraHeader(writer, 13)
      .uint16(activeBackup)
      .uint16(ethSrc)
      .uint16(0)
      .uint32(portMembers)
      .uint16(members.length)
      .uint16(packRange(destination));
    writeFieldHeader(writer, fields[destination.field]);
    writer.zeros(4);
    for (const member of members) writer.uint16(member);
  },
  nicira: {
    13(body) {
      const [algorithm, hash, basis] = [body.uint16(), body.uint16(), body.uint16()];
      const kind = body.uint32();
      const count = body.uint16();
      const range = unpackRange(body.uint16());
      const { field } = readFieldHeader(body);
      body.bytes(4);
      if (algorithm !== activeBackup || hash !== ethSrc || basis !== 0 || kind !== portMembers || field === undefined) return undefined;
      const members = Array.from({ length: count }, () => body.uint16());
      return { type: "bundle_load", members, destination: { field: field.name, ...range } };
    },
  },
  format: ({ members, destination }) => `bundle_load(${fixed.join()},${formatSubfield(destination)},members:${members.join()})`,
  parse: {
    bundle_load({ argument }) {
      const words = splitList(argument);
      const destination = tryParseSubfield(words[fixed.length] ?? "");
      const [first = "", ...others] = words.slice(fixed.length + 1);
      const texts = [/^members:(.*)$/.exec(first)?.[1] ?? "", ...others].filter((text) => text !== "");
      const members = texts.flatMap((text) => parseNumber(text, 0xffff) ?? []);
      const understood = fixed.every((word, index) => words[index] === word) && first.startsWith("members:");
      if (!understood || destination === undefined || members.length !== texts.length) return undefined;
      return { type: "bundle_load", members, destination };
    },
  },
};
