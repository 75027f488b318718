import { errorMessage } from "#lib/runtime/index.ts";
import { type RefusedRow, RowsRefused } from "./errors.ts";

/** Rows that are tried one by one, so that one which is refused blocks no other. */
export interface Attempts {
  /** Does the work of a row, named in the target's words; what it throws is kept. */
  row(row: string, work: () => Promise<void>): Promise<void>;
  /** Whether any was refused. */
  readonly refusedAny: boolean;
  /** Throws {@link RowsRefused} when any was refused. */
  end(): void;
}

export function createAttempts(): Attempts {
  const refused: RefusedRow[] = [];
  return {
    async row(row, work) {
      try {
        await work();
      } catch (error) {
        refused.push({ row, reason: errorMessage(error) });
      }
    },
    get refusedAny() {
      return refused.length > 0;
    },
    end() {
      if (refused.length > 0) throw new RowsRefused(refused);
    },
  };
}
