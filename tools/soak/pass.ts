/** What every part of the soak behind its lab is given. */
export interface PassOptions {
  readonly seed: number;
  readonly print: (line: string) => void;
  /** Ends the pass, which then tells what was seen until then. */
  readonly signal: AbortSignal;
}

/** Resolves with what was wrong, in words. */
export type Pass = (options: PassOptions) => Promise<readonly string[]>;

/** Plays a pass by itself, as a program that any signal ends. */
export async function playAlone(pass: Pass, seed: number): Promise<void> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  print(`seed ${seed}`);
  const wrong = await pass({ seed, print, signal: new AbortController().signal });
  for (const line of wrong) print(`  ${line}`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

/** Between two pieces of work that only computes: signals are heard there. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
