import { Reader, type Writer } from "#lib/bytes/index.ts";
import type { Meter, MeterBand, MeterMod } from "../meter.ts";
import { endMessage, messageType, multipartType, startMessage, startMultipart } from "./header.ts";

const commands = { add: 0, modify: 1, delete: 2 } as const;
const meterFlag = { kbps: 1, pktps: 2, burst: 4, stats: 8 } as const;
const dropBand = 1;
/** OFPM_ALL. */
const allMeters = 0xffffffff;

/** Writes a meter-mod (OpenFlow 1.5 §7.3.4.5). Open vSwitch takes none inside a bundle. */
export function writeMeterMod(writer: Writer, mod: MeterMod, xid: number): void {
  const start = startMessage(writer, messageType.meterMod, xid);
  if (mod.command === "delete") {
    writer
      .uint16(commands.delete)
      .uint16(0)
      .uint32(mod.meter === "all" ? allMeters : mod.meter);
  } else {
    const { meter, unit, stats, bands } = mod.meter;
    const burst = bands.some((band) => band.burst !== undefined);
    writer
      .uint16(commands[mod.command])
      .uint16(meterFlag[unit] | (burst ? meterFlag.burst : 0) | (stats ? meterFlag.stats : 0))
      .uint32(meter);
    for (const band of bands)
      writer
        .uint16(dropBand)
        .uint16(16)
        .uint32(band.rate)
        .uint32(band.burst ?? 0)
        .zeros(4);
  }
  endMessage(writer, start);
}

/** Writes a request for every meter's configuration (OFPMP_METER_DESC). */
export function writeMeterRequest(writer: Writer, xid: number): void {
  const start = startMultipart(writer, multipartType.meterConfig, xid);
  writer.uint32(allMeters).zeros(4);
  endMessage(writer, start);
}

/** Reads the entries of one part of a meter report; bands other than drop are left out. Throws OutOfBytes when they are cut short. */
export function readMeters(bytes: Uint8Array): Meter[] {
  const reader = new Reader(bytes);
  const meters: Meter[] = [];
  while (reader.left > 0) {
    const entry = reader.inner(reader.uint16() - 2);
    const flags = entry.uint16();
    const meter = entry.uint32();
    const bands: MeterBand[] = [];
    while (entry.left > 0) {
      const type = entry.uint16();
      const band = entry.inner(entry.uint16() - 4);
      const rate = band.uint32();
      const burst = band.uint32();
      if (type === dropBand) bands.push(flags & meterFlag.burst ? { type: "drop", rate, burst } : { type: "drop", rate });
    }
    const unit = flags & meterFlag.pktps ? "pktps" : "kbps";
    meters.push(flags & meterFlag.stats ? { meter, unit, stats: true, bands } : { meter, unit, bands });
  }
  return meters;
}

/** Reads how many meters there may be (OFPMP_METER_FEATURES): their numbers go from 1 to that. 0: the datapath has none. Throws OutOfBytes when it is cut short. */
export const readMostMeters = (bytes: Uint8Array): number => new Reader(bytes).uint32();
