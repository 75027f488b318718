import type { FileContent, VirtualClock } from "#lib/runtime/index.ts";
import type { Violation } from "./observer.ts";

/** Judges what a node's agents leave on its disk by what they left before. */
export interface SnapshotOrder {
  written(node: string, snapshot: FileContent): void;
  readonly violations: readonly Violation[];
}

/**
 * What is enforced never goes back: no snapshot has an older generation of a policy than an earlier one of the node had, whichever controllers and agents were in
 * between. How far the controller says that it has computed proves nothing: that is as much as the slowest stream contains, and a stream that nothing concerns is
 * told of no progress. The policies themselves are looked at.
 */
export function createSnapshotOrder({ clock }: { readonly clock: VirtualClock }): SnapshotOrder {
  /** By node and policy. UIDs never come again. */
  const newest = new Map<string, number>();
  const last = new Map<string, readonly Uint8Array[]>();
  const violations: Violation[] = [];
  return {
    violations,
    written(node, snapshot) {
      // Builds from before there was a line for each policy write one text.
      const pieces = typeof snapshot === "string" ? [Buffer.from(snapshot)] : snapshot;
      const lastPieces = last.get(node) ?? [];
      last.set(node, pieces);
      for (const [at, piece] of pieces.entries()) {
        if (piece === lastPieces[at]) continue;
        for (const { policy, generation } of policiesIn(piece)) {
          const before = newest.get(`${node} ${policy}`) ?? 0;
          if (generation < before) {
            const text = `${node} has generation ${generation} of policy ${policy} in its snapshot, and had ${before} before`;
            violations.push({ at: clock.monotonic(), node, text });
          }
          newest.set(`${node} ${policy}`, generation);
        }
      }
    },
  };
}

interface PolicyGeneration {
  readonly policy: string;
  readonly generation: number;
}

/** Pieces of snapshots never change, and agents of one process that were told the same have the same ones. */
const read = new WeakMap<Uint8Array, readonly PolicyGeneration[]>();

function policiesIn(piece: Uint8Array): readonly PolicyGeneration[] {
  const known = read.get(piece);
  if (known !== undefined) return known;
  const found = [...decoder.decode(piece).matchAll(policyMetadata)].map(([, policy = "", digits]) => ({
    policy,
    generation: Number(digits),
  }));
  read.set(piece, found);
  return found;
}

const decoder = new TextDecoder();

/** Groups have no generation. */
const policyMetadata = /"metadata":\{"name":"([^"]+)"[^{}]*"generation":(\d+)/g;
