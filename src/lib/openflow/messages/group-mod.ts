import { Reader, Writer } from "#lib/bytes/index.ts";
import { readActions, writeActions } from "../actions/index.ts";
import { compact } from "../actions/codec.ts";
import { experimenters, fields } from "../fields.ts";
import type { Bucket, Group, GroupMod } from "../group.ts";
import { readFieldHeader, readValue, writeFieldHeader, writeValue } from "../oxm.ts";
import { portFromWire, portToWire } from "../port.ts";
import { endMessage, messageType, multipartType, startMessage, startMultipart } from "./header.ts";

const commands = { add: 0, modify: 1, delete: 2, insert_bucket: 3, remove_bucket: 5, add_or_modify: 0x8000 } as const;
const groupTypes: readonly Group["type"][] = ["all", "select", "indirect", "fast_failover"];
/** OFPG_ALL. */
const allGroups = 0xfffffffc;
const bucketPlace = { first: 0xfffffffd, last: 0xfffffffe, all: 0xffffffff } as const;
const bucketProperty = { weight: 0, watchPort: 1, watchGroup: 2 } as const;
const experimenterProperty = 0xffff;
const selectionMethodType = 1;
const methodNameBytes = 16;

/** Writes a group-mod (OpenFlow 1.5 §7.3.4.3). */
export function writeGroupMod(writer: Writer, mod: GroupMod, xid: number): void {
  const start = startMessage(writer, messageType.groupMod, xid);
  const group = typeof mod.group === "object" ? mod.group : undefined;
  const number = typeof mod.group === "object" ? mod.group.group : mod.group === "all" ? allGroups : mod.group;
  writer
    .uint16(commands[mod.command])
    .uint8(groupTypes.indexOf(group?.type ?? "all"))
    .uint8(0)
    .uint32(number);
  const lengthAt = writer.length;
  writer.uint16(0).zeros(2).uint32(placeOf(mod));
  const bucketsAt = writer.length;
  const buckets = group?.buckets ?? (mod.command === "insert_bucket" ? mod.buckets : []);
  for (const [index, bucket] of buckets.entries()) writeBucket(writer, bucket, index, group?.type);
  writer.patchUint16(lengthAt, writer.length - bucketsAt);
  if (group?.selectionMethod !== undefined) writeSelectionMethod(writer, group);
  endMessage(writer, start);
}

/** Writes a request for one group or all (OFPMP_GROUP_DESC). */
export function writeGroupRequest(writer: Writer, group: number | "all", xid: number): void {
  const start = startMultipart(writer, multipartType.groupDesc, xid);
  writer.uint32(group === "all" ? allGroups : group).zeros(4);
  endMessage(writer, start);
}

/** Reads the entries of one part of a group report. Throws OutOfBytes when they are cut short. */
export function readGroups(bytes: Uint8Array): Group[] {
  const reader = new Reader(bytes);
  const groups: Group[] = [];
  while (reader.left > 0) {
    const length = reader.uint16();
    const entry = reader.inner(length - 2);
    const type = groupTypes[entry.uint8()];
    entry.skip(1);
    const group = entry.uint32();
    const bucketBytes = entry.uint16();
    entry.skip(6);
    const buckets = readBuckets(entry.inner(bucketBytes), type);
    if (type !== undefined) groups.push({ group, type, ...readSelectionMethod(entry), buckets });
  }
  return groups;
}

function placeOf(mod: GroupMod): number {
  if (mod.command === "insert_bucket") return typeof mod.after === "number" ? mod.after : bucketPlace[mod.after];
  if (mod.command === "remove_bucket") return typeof mod.bucket === "number" ? mod.bucket : bucketPlace[mod.bucket];
  return bucketPlace.all;
}

function writeBucket(writer: Writer, bucket: Bucket, index: number, type: Group["type"] | undefined): void {
  const start = writer.length;
  writer
    .uint16(0)
    .uint16(0)
    .uint32(bucket.id ?? index);
  writeActions(writer, bucket.actions);
  writer.patchUint16(start + 2, writer.length - start - 8);
  const weight = bucket.weight ?? (type === "select" ? 1 : undefined);
  if (weight !== undefined) writer.uint16(bucketProperty.weight).uint16(8).uint16(weight).zeros(2);
  if (bucket.watchPort !== undefined) writer.uint16(bucketProperty.watchPort).uint16(8).uint32(portToWire(bucket.watchPort));
  if (bucket.watchGroup !== undefined) writer.uint16(bucketProperty.watchGroup).uint16(8).uint32(bucket.watchGroup);
  writer.patchUint16(start, writer.length - start);
}

function readBuckets(reader: Reader, type: Group["type"] | undefined): Bucket[] {
  const buckets: Bucket[] = [];
  while (reader.left > 0) {
    const length = reader.uint16();
    const entry = reader.inner(length - 2);
    const actionBytes = entry.uint16();
    const id = entry.uint32();
    const actions = readActions(entry.inner(actionBytes));
    let weight: number | undefined;
    let watchPort: Bucket["watchPort"];
    let watchGroup: number | undefined;
    while (entry.left >= 4) {
      const property = entry.uint16();
      const value = entry.inner(entry.uint16() - 4);
      if (property === bucketProperty.weight) weight = value.uint16();
      else if (property === bucketProperty.watchPort) watchPort = portFromWire(value.uint32());
      else if (property === bucketProperty.watchGroup) watchGroup = value.uint32();
    }
    buckets.push(
      compact<Bucket>({
        id,
        // A select group's buckets weigh 1 unless they say otherwise; elsewhere 0 is none.
        weight: weight === (type === "select" ? 1 : 0) ? undefined : weight,
        watchPort: watchPort === "ANY" ? undefined : watchPort,
        watchGroup: watchGroup === 0xffffffff ? undefined : watchGroup,
        actions,
      }),
    );
  }
  return buckets;
}

function writeSelectionMethod(writer: Writer, { selectionMethod: method, selectionParameter, selectionFields = [] }: Group): void {
  const start = writer.length;
  writer.uint16(experimenterProperty).uint16(0).uint32(experimenters.netronome).uint32(selectionMethodType).zeros(4);
  writer
    .bytes(Buffer.from(method ?? "", "ascii"))
    .zeros(methodNameBytes - (method ?? "").length)
    .uint64(selectionParameter ?? 0n);
  for (const { field: name, mask } of selectionFields) {
    const field = fields[name];
    writeFieldHeader(writer, field);
    // All bits of the bytes where all count: a field of 12 bits has a mask of 16 here.
    writeValue(writer, mask ?? (1n << BigInt(8 * field.bytes)) - 1n, field.bytes);
  }
  writer.patchUint16(start + 2, writer.length - start).align(8, start);
}

function readSelectionMethod(entry: Reader): Pick<Group, "selectionMethod" | "selectionParameter" | "selectionFields"> {
  while (entry.left >= 4) {
    const type = entry.uint16();
    const length = entry.uint16();
    const property = entry.inner(length - 4);
    entry.skip(Math.min((8 - (length % 8)) % 8, entry.left));
    if (type !== experimenterProperty || property.uint32() !== experimenters.netronome || property.uint32() !== selectionMethodType)
      continue;
    property.skip(4);
    const name = Buffer.from(property.bytes(methodNameBytes)).toString("ascii").replace(/\0.*$/s, "");
    const parameter = property.uint64();
    const selectionFields: { field: keyof typeof fields; mask?: bigint }[] = [];
    while (property.left > 0) {
      const { field, length: size } = readFieldHeader(property);
      const value = property.inner(size);
      if (field === undefined || size !== field.bytes) continue;
      const mask = readValue(value, size);
      selectionFields.push((mask & field.allOnes) === field.allOnes ? { field: field.name } : { field: field.name, mask });
    }
    return compact<Pick<Group, "selectionMethod" | "selectionParameter" | "selectionFields">>({
      selectionMethod: name === "hash" || name === "dp_hash" ? name : undefined,
      selectionParameter: parameter || undefined,
      selectionFields: selectionFields.length === 0 ? undefined : selectionFields,
    });
  }
  return {};
}

/** Whether a switch that has one would be unchanged by setting the other. */
export function sameGroup(one: Group, other: Group): boolean {
  const encode = (group: Group): Uint8Array => {
    const writer = new Writer();
    writeGroupMod(writer, { command: "add", group }, 0);
    return writer.result();
  };
  return Buffer.compare(encode(one), encode(other)) === 0;
}
