import type { Flow } from "#lib/openflow/flow.ts";
import type { Difference } from "./compare.ts";
import type { Desired } from "./desired.ts";
import type { FlowTarget } from "./flow-target.ts";
import { createReading, type Reading } from "./reading.ts";
import { createWritten } from "./written.ts";

/**
 * Who waits for a reading of the switch's content, first come first served. The first reading of tables on a connection reads all of them, another one what was written since, where what others change in them
 * is `told` by the switch at once; a regular audit finds the rest.
 */
export interface Readers {
  readonly any: boolean;
  /** Resolves with what is wrong in `tables`; rejects with the signal's reason. */
  add(tables: readonly number[], signal: AbortSignal): Promise<readonly Difference<Flow>[]>;
  /** These change now: whatever is read of them says nothing. */
  touch(flows: readonly Flow[]): void;
  /** These are written: another reading of their tables looks at them again. */
  written(flows: readonly Flow[]): void;
  /** Another connection may lead to another switch: it is read from the beginning. */
  startAnew(): void;
  /** Reads one page for the first who waits; when that was the last, and nothing that the switch told waits to be looked into, repairs what is wrong and tells it. */
  step(connection: FlowTarget, options: StepOptions): Promise<void>;
}

interface StepOptions {
  readonly repair: (differences: readonly Difference<Flow>[]) => Promise<void>;
  readonly isSuspect: () => boolean;
}

interface Reader {
  readonly tables: readonly number[];
  reading: Reading | undefined;
  /** All pages were read. */
  over: boolean;
  readonly resolve: (differences: readonly Difference<Flow>[]) => void;
}

export function createReaders({ desired, told }: { readonly desired: Desired; readonly told: readonly number[] }): Readers {
  let readers: Reader[] = [];
  const written = createWritten(told, desired.ledger.identify);
  return {
    get any() {
      return readers.length > 0;
    },
    add: (tables, signal) =>
      new Promise((resolve, reject) => {
        const leave = (): void => {
          readers = readers.filter((other) => other !== reader);
          if (reader.reading !== undefined) written.forget();
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
    written: written.note,
    startAnew() {
      written.forget();
      for (const reader of readers) {
        reader.reading = undefined;
        reader.over = false;
      }
    },
    async step(connection, { repair, isSuspect }) {
      const [reader] = readers;
      if (reader === undefined) return;
      reader.reading ??= createReading({ ledger: desired.ledger, tables: new Set(reader.tables), written: written.take(reader.tables) });
      reader.over ||= await reader.reading.step(connection);
      if (!reader.over || desired.changed || isSuspect()) return;
      readers = readers.filter((other) => other !== reader);
      const differences = reader.reading.differences();
      if (differences.length > 0) written.forget();
      await repair(differences);
      reader.resolve(differences);
    },
  };
}
