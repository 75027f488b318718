import { LabNotRunning } from "#lab/errors.ts";
import { errorMessage } from "#lib/runtime/errors.ts";

export interface LoadArchivesOptions {
  readonly archives: readonly string[];
  /** Imports one on every node. Resolves with the names of its images. */
  readonly load: (archive: string) => Promise<readonly string[]>;
  readonly print: (line: string) => void;
  /** Hears why one could not be loaded. */
  readonly complain: (line: string) => void;
}

/** Loads archives one after the other, those behind one that fails too. Throws {@link LabNotRunning} at once. */
export async function loadArchives({ archives, load, print, complain }: LoadArchivesOptions): Promise<void> {
  for (const archive of archives) {
    try {
      print(`loaded: ${(await load(archive)).join(", ")}`);
    } catch (error) {
      if (error instanceof LabNotRunning) throw error;
      const problem = errorMessage(error);
      complain(problem.startsWith(`${archive}:`) ? problem : `${archive}: ${problem}`);
    }
  }
}
