/** One bench: measures, and names its goals. Figures carry their unit in their name. */
export interface Bench {
  /** Upper bounds of figures, as the issue that asked for the bench sets them. */
  readonly goals: Readonly<Record<string, number>>;
  run(options: { readonly print: (line: string) => void }): Promise<Readonly<Record<string, number>>>;
}

/** The value below which `share` (0 to 1) of `values` lie: nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}
