import type { Bucket, Group, GroupMod } from "../group.ts";
import type { Fault } from "./faults.ts";
import { compileActions, type Program } from "./program.ts";
import { Refusal } from "./refusal.ts";

export interface CompiledBucket {
  readonly bucket: Bucket;
  readonly id: number;
  readonly program: Program;
}

export interface CompiledGroup {
  readonly group: Group;
  readonly buckets: readonly CompiledBucket[];
}

/** The group with its buckets ready to run. */
export function compileGroup(group: Group, fault: Fault | undefined): CompiledGroup {
  return {
    group,
    buckets: group.buckets.map((bucket, index) => ({ bucket, id: bucket.id ?? index, program: compileActions(bucket.actions, fault) })),
  };
}

export type BucketMod = Extract<GroupMod, { readonly command: "insert_bucket" }> | Extract<GroupMod, { readonly command: "remove_bucket" }>;

/** The buckets after some came or went. Throws {@link Refusal}. */
export function changedBuckets(present: readonly Bucket[], mod: BucketMod): readonly Bucket[] {
  const numbered = present.map((bucket, index) => ({ ...bucket, id: bucket.id ?? index }));
  if (mod.command === "remove_bucket") {
    if (mod.bucket === "all") return [];
    if (mod.bucket === "first") return numbered.slice(1);
    return mod.bucket === "last" ? numbered.slice(0, -1) : numbered.filter(({ id }) => id !== mod.bucket);
  }
  if (mod.after === "first") return [...mod.buckets, ...numbered];
  if (mod.after === "last") return [...numbered, ...mod.buckets];
  const at = numbered.findIndex(({ id }) => id === mod.after);
  if (at < 0) throw new Refusal("OFPGMFC_UNKNOWN_BUCKET");
  return [...numbered.slice(0, at + 1), ...mod.buckets, ...numbered.slice(at + 1)];
}
