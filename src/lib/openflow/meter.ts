/** What happens above a rate. Rates are kbit/s or packets/s by the meter's unit; bursts are kbit or packets. */
export interface MeterBand {
  readonly type: "drop";
  readonly rate: number;
  readonly burst?: number;
}

export interface Meter {
  /** 1 … 0xffff0000, or a special one by number: 0xfffffffe is all packets to the controller. */
  readonly meter: number;
  readonly unit: "kbps" | "pktps";
  readonly stats?: true;
  readonly bands: readonly MeterBand[];
}

export type MeterMod =
  | { readonly command: "add" | "modify"; readonly meter: Meter }
  | { readonly command: "delete"; readonly meter: number | "all" };
