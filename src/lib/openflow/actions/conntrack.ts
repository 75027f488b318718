import { Reader, type Writer } from "#lib/bytes/index.ts";
import { IpAddress, parseAddress } from "#lib/ip/index.ts";
import type { Action, ConntrackAction, Nat } from "../action.ts";
import { experimenters, fields } from "../fields.ts";
import { readFieldHeader, writeFieldHeader } from "../oxm.ts";
import { formatSubfield, tryParseSubfield } from "../subfield.ts";
import { formatIpMasked } from "../value-text.ts";
import {
  type ActionCodec,
  compact,
  formatTable,
  niciraHeader,
  packRange,
  parseNumber,
  parseOptions,
  parseTable,
  unpackRange,
} from "./codec.ts";

const conntrackFlag = { commit: 1, force: 2 } as const;
const noTable = 0xff;
/** The well-known ports that name the helpers. */
const algPorts = { ftp: 21, tftp: 69 } as const;

export const conntrack: ActionCodec<ConntrackAction> = {
  write(writer, { commit, force, zone, table, nat, exec, alg }, nested) {
    niciraHeader(writer, 35).uint16((commit ? conntrackFlag.commit : 0) | (force ? conntrackFlag.force : 0));
    if (typeof zone === "object") {
      writeFieldHeader(writer, fields[zone.field]);
      writer.uint16(packRange(zone));
    } else writer.uint32(0).uint16(zone ?? 0);
    writer
      .uint8(table ?? noTable)
      .zeros(3)
      .uint16(alg === undefined ? 0 : algPorts[alg]);
    if (nat !== undefined) writeNat(writer, nat);
    if (exec !== undefined) nested.write(writer, exec);
  },
  nicira: {
    35(body, nested) {
      const flags = body.uint16();
      const zoneSource = body.bytes(4);
      const zoneNumber = body.uint16();
      const table = body.uint8();
      body.skip(3);
      const algPort = body.uint16();
      const [first, ...others] = nested.read(body);
      // The translation is the first of the nested actions; there is at most one.
      const nat = first?.type === "unknown" ? readNat(first.bytes) : undefined;
      const exec = first === undefined || nat !== undefined ? others : [first, ...others];
      const immediate = zoneSource.every((byte) => byte === 0);
      const field = immediate ? undefined : readFieldHeader(new Reader(zoneSource)).field;
      const alg = algPort === algPorts.ftp ? "ftp" : algPort === algPorts.tftp ? "tftp" : undefined;
      if ((!immediate && field === undefined) || (algPort !== 0 && alg === undefined)) return undefined;
      return compact<ConntrackAction>({
        type: "ct",
        commit: flags & conntrackFlag.commit ? true : undefined,
        force: flags & conntrackFlag.force ? true : undefined,
        zone: field !== undefined ? { field: field.name, ...unpackRange(zoneNumber) } : zoneNumber === 0 ? undefined : zoneNumber,
        table: table === noTable ? undefined : table,
        nat,
        exec: exec.length === 0 ? undefined : exec,
        alg,
      });
    },
  },
  format({ commit, force, zone, table, nat, exec, alg }, { names, format }) {
    const options = [
      commit ? "commit" : "",
      force ? "force" : "",
      table === undefined ? "" : `table=${formatTable(table, names)}`,
      zone === undefined || zone === 0 ? "" : `zone=${typeof zone === "number" ? zone : formatSubfield(zone)}`,
      nat === undefined ? "" : formatNat(nat),
      exec === undefined || exec.length === 0 ? "" : `exec(${format(exec)})`,
      alg === undefined ? "" : `alg=${alg}`,
    ];
    return `ct(${options.filter((option) => option !== "").join(",")})`;
  },
  parse: {
    ct({ argument }, { numbers, parse }) {
      let found: ConntrackAction = { type: "ct" };
      for (const [key, value] of parseOptions(argument)) {
        if (key === "commit") found = { ...found, commit: true };
        else if (key === "force") found = { ...found, force: true };
        else if (key === "table") {
          const table = parseTable(value, numbers);
          if (table === undefined) return undefined;
          found = { ...found, table };
        } else if (key === "zone") {
          const zone = parseNumber(value, 0xffff) ?? tryParseSubfield(value);
          if (zone === undefined) return undefined;
          if (zone !== 0) found = { ...found, zone };
        } else if (key === "nat") {
          const nat = parseNat(value);
          if (nat === undefined) return undefined;
          found = { ...found, nat };
        } else if (key === "exec") found = { ...found, exec: parse(value) };
        else if (key === "alg" && (value === "ftp" || value === "tftp")) found = { ...found, alg: value };
        else return undefined;
      }
      return found;
    },
  },
};

export const conntrackClear: ActionCodec<Extract<Action, { readonly type: "ct_clear" }>> = {
  write: (writer) => void niciraHeader(writer, 43),
  nicira: { 43: () => ({ type: "ct_clear" }) },
  format: () => "ct_clear",
  parse: { ct_clear: () => ({ type: "ct_clear" }) },
};

const natSubtype = 36;
const natFlag = { src: 1, dst: 2, persistent: 4, hash: 8, random: 16 } as const;
const natRange = { v4Min: 1, v4Max: 2, v6Min: 4, v6Max: 8, portMin: 16, portMax: 32 } as const;

function writeNat(writer: Writer, nat: Nat): void {
  const { kind, addresses, ports, persistent, selection } = withoutTrivialRanges(nat);
  const start = writer.length;
  const family = addresses?.min.family;
  niciraHeader(writer, natSubtype)
    .zeros(2)
    .uint16(
      (kind === undefined ? 0 : natFlag[kind]) | (persistent ? natFlag.persistent : 0) | (selection === undefined ? 0 : natFlag[selection]),
    )
    .uint16(
      (addresses === undefined ? 0 : family === 4 ? natRange.v4Min : natRange.v6Min) |
        (addresses?.max === undefined ? 0 : family === 4 ? natRange.v4Max : natRange.v6Max) |
        (ports === undefined ? 0 : natRange.portMin) |
        (ports?.max === undefined ? 0 : natRange.portMax),
    );
  if (addresses !== undefined) writer.bytes(addresses.min.bytes());
  if (addresses?.max !== undefined) writer.bytes(addresses.max.bytes());
  if (ports !== undefined) writer.uint16(ports.min);
  if (ports?.max !== undefined) writer.uint16(ports.max);
  writer.align(8, start).patchUint16(start + 2, writer.length - start);
}

/** Reads a whole nat action; undefined when `bytes` are another action. */
function readNat(bytes: Uint8Array): Nat | undefined {
  const body = new Reader(bytes);
  if (body.uint16() !== 0xffff || body.uint16() < 16 || body.uint32() !== experimenters.nicira || body.uint16() !== natSubtype)
    return undefined;
  body.skip(2);
  const flags = body.uint16();
  const present = body.uint16();
  const read = (bit: number, bytes: number): IpAddress | undefined => (present & bit ? IpAddress.fromBytes(body.bytes(bytes)) : undefined);
  const v4 = { min: read(natRange.v4Min, 4), max: read(natRange.v4Max, 4) };
  const v6 = { min: read(natRange.v6Min, 16), max: read(natRange.v6Max, 16) };
  const addresses = v4.min === undefined ? v6 : v4;
  const portMin = present & natRange.portMin ? body.uint16() : undefined;
  const portMax = present & natRange.portMax ? body.uint16() : undefined;
  const nat = compact<Nat>({
    kind: flags & natFlag.src ? "src" : flags & natFlag.dst ? "dst" : undefined,
    addresses: addresses.min === undefined ? undefined : compact<NonNullable<Nat["addresses"]>>({ min: addresses.min, max: addresses.max }),
    ports: portMin === undefined ? undefined : compact<NonNullable<Nat["ports"]>>({ min: portMin, max: portMax }),
    persistent: flags & natFlag.persistent ? true : undefined,
    selection: flags & natFlag.hash ? "hash" : flags & natFlag.random ? "random" : undefined,
  });
  return withoutTrivialRanges(nat);
}

/** A range of one is that one: ovs-ofctl's text cannot tell them apart either. */
function withoutTrivialRanges(nat: Nat): Nat {
  const { addresses, ports } = nat;
  return {
    ...nat,
    ...(addresses?.max?.equals(addresses.min) ? { addresses: { min: addresses.min } } : {}),
    ...(ports !== undefined && ports.max === ports.min ? { ports: { min: ports.min } } : {}),
  };
}

function formatNat({ kind, addresses, ports, persistent, selection }: Nat): string {
  if (kind === undefined) return "nat";
  let target = "";
  if (addresses !== undefined) {
    const { min, max } = addresses;
    const write = (address: IpAddress): string => {
      const text = formatIpMasked(address.value, (1n << (address.family === 4 ? 32n : 128n)) - 1n, address.family);
      return address.family === 6 && ports !== undefined ? `[${text}]` : text;
    };
    target = `=${write(min)}${max === undefined || max.equals(min) ? "" : `-${write(max)}`}`;
    if (ports !== undefined) target += `:${ports.min}${ports.max === undefined || ports.max === ports.min ? "" : `-${ports.max}`}`;
  }
  return `nat(${[kind + target, persistent ? "persistent" : "", selection ?? ""].filter((part) => part !== "").join(",")})`;
}

function parseNat(text: string): Nat | undefined {
  let nat: Nat = {};
  for (const [key, value] of parseOptions(text)) {
    if (key === "persistent") nat = { ...nat, persistent: true };
    else if (key === "hash" || key === "random") nat = { ...nat, selection: key };
    else if (key === "src" || key === "dst") {
      const target = value === "" ? {} : parseTarget(value);
      if (target === undefined) return undefined;
      nat = { ...nat, kind: key, ...target };
    } else return undefined;
  }
  return nat;
}

/** `1.2.3.4-1.2.3.9:100-200`; IPv6 in brackets where ports follow. */
function parseTarget(text: string): Pick<Nat, "addresses" | "ports"> | undefined {
  const address = String.raw`\[[^\]]+\]|[0-9.]+|[0-9a-f:.]+`;
  const parsed = new RegExp(`^(${address})(?:-(${address}))?(?::(\\d+)(?:-(\\d+))?)?$`, "i").exec(text);
  const [, first, last, low, high] = parsed ?? [];
  if (first === undefined) return undefined;
  const strip = (part: string): IpAddress => parseAddress(part.replace(/^\[|\]$/g, ""));
  const min = strip(first);
  const max = last === undefined ? undefined : strip(last);
  const ports = low === undefined ? undefined : { min: Number(low), ...(high === undefined ? {} : { max: Number(high) }) };
  return {
    addresses: max === undefined ? { min } : { min, max },
    ...(ports === undefined ? {} : { ports }),
  };
}
