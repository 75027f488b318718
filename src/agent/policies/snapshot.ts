import type { ComputedRevisions, Group, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { PolicyAllocations } from "#core/pipeline/policy/index.ts";
import { errorCode, errorMessage, type Files, systemFiles } from "#lib/runtime/index.ts";
import { isEarlierSnapshot, readEarlierSnapshot } from "./earlier-snapshot.ts";
import { DamagedSnapshot, SnapshotTooLarge } from "./errors.ts";
import { decodeSnapshot, gathered, linesOf, type UnreadSnapshot } from "./snapshot-content.ts";
import { piecesOf, readLines } from "./snapshot-lines.ts";

/** All that the agent enforces, and the numbers it gave away for it: enough to go on without a controller, and without a change of flows. */
export interface PolicySnapshot {
  readonly policies: readonly NetworkPolicy[];
  readonly addressGroups: readonly Group[];
  readonly appliedToGroups: readonly Group[];
  readonly allocations: PolicyAllocations;
  /** Interfaces whose pods' policies were known. */
  readonly openPorts: readonly string[];
  /** How far the controller had computed it, where it says so. */
  readonly computed?: ComputedRevisions | undefined;
}

/** Bytes. A million members of groups are less; a larger one is not read, which could take all memory of a start, and so not written either. */
const largest = 256 * 1024 * 1024;

/**
 * Writes a snapshot whole or not at all, so that it survives a loss of power; on failure nothing of it takes room. Resolves with its length in bytes. A line of its own
 * for each policy, group and run of members: what is in it as the same object as before is neither encoded nor hashed again, and its bytes go to the file as they are.
 * Throws {@link SnapshotTooLarge}.
 */
export async function writeSnapshot(file: string, snapshot: PolicySnapshot, files: Files = systemFiles): Promise<number> {
  const pieces = piecesOf(linesOf(snapshot));
  const size = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (size > largest) throw new SnapshotTooLarge({ size, atMost: largest });
  await files.replace(file, pieces, { durable: true });
  return size;
}

/** Reads a snapshot, also one of an earlier version; undefined when there is none. Throws {@link DamagedSnapshot} when it is not what was written. */
export async function readSnapshot(file: string, files: Files = systemFiles): Promise<PolicySnapshot | undefined> {
  let text: string;
  try {
    text = await files.read(file, { atMost: largest });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const damaged = (problem: string): DamagedSnapshot => new DamagedSnapshot(file, problem);
  const unread = isEarlierSnapshot(text) ? readEarlierSnapshot(text) : readNow(text);
  if (typeof unread === "string") throw damaged(unread);
  return decodeSnapshot(unread, damaged);
}

function readNow(text: string): UnreadSnapshot | string {
  const lines = readLines(text);
  return typeof lines === "string" ? lines : gathered(lines);
}

/** A snapshot as a start finds it. */
export interface FoundSnapshot {
  readonly snapshot: PolicySnapshot | undefined;
  /** Why there is none, when one was there; it stands beside, out of the way of the next one. */
  readonly problem: string | undefined;
}

/** Reads a snapshot for a start, which goes on without it: one that is damaged is set aside as `FILE.damaged`, for whoever looks into it. */
export async function findSnapshot(file: string, files: Files = systemFiles): Promise<FoundSnapshot> {
  try {
    return { snapshot: await readSnapshot(file, files), problem: undefined };
  } catch (error) {
    const aside = `${file}.damaged`;
    const moved = await files.rename(file, aside).then(
      () => `; it is kept as ${aside}`,
      () => "",
    );
    return { snapshot: undefined, problem: `${errorMessage(error)}${moved}` };
  }
}
