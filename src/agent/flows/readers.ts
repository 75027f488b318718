import type { Flow } from "#lib/openflow/flow.ts";
import type { Difference } from "./compare.ts";
import type { Desired } from "./desired.ts";
import type { FlowTarget } from "./flow-target.ts";
import { createReading, type Reading } from "./reading.ts";

/** Who waits for a reading of the switch's content, first come first served. */
export interface Readers {
  readonly any: boolean;
  /** Resolves with what is wrong in `tables`; rejects with the signal's reason. */
  add(tables: readonly number[], signal: AbortSignal): Promise<readonly Difference<Flow>[]>;
  /** These change now: whatever is read of them says nothing. */
  touch(flows: readonly Flow[]): void;
  /** Another connection may lead to another switch: it is read from the beginning. */
  startAnew(): void;
  /** Reads one page for the first who waits; when that was the last, repairs what is wrong and tells it. */
  step(connection: FlowTarget, repair: (differences: readonly Difference<Flow>[]) => Promise<void>): Promise<void>;
}

interface Reader {
  readonly tables: readonly number[];
  reading: Reading | undefined;
  /** All pages were read. */
  over: boolean;
  readonly resolve: (differences: readonly Difference<Flow>[]) => void;
}

export function createReaders(desired: Desired): Readers {
  let readers: Reader[] = [];
  return {
    get any() {
      return readers.length > 0;
    },
    add: (tables, signal) =>
      new Promise((resolve, reject) => {
        const leave = (): void => {
          readers = readers.filter((other) => other !== reader);
          reject(signal.reason);
        };
        const reader: Reader = {
          tables,
          reading: undefined,
          over: false,
          resolve(differences) {
            signal.removeEventListener("abort", leave);
            resolve(differences);
          },
        };
        if (signal.aborted) return leave();
        signal.addEventListener("abort", leave, { once: true });
        readers.push(reader);
      }),
    touch(flows) {
      for (const { reading } of readers) reading?.touch(flows);
    },
    startAnew() {
      for (const reader of readers) {
        reader.reading = undefined;
        reader.over = false;
      }
    },
    async step(connection, repair) {
      const [reader] = readers;
      if (reader === undefined) return;
      reader.reading ??= createReading({ ledger: desired.ledger, tables: new Set(reader.tables) });
      reader.over ||= await reader.reading.step(connection);
      if (!reader.over || desired.changed) return;
      readers = readers.filter((other) => other !== reader);
      const differences = reader.reading.differences();
      await repair(differences);
      reader.resolve(differences);
    },
  };
}
