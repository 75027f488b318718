/** What a figure must show: below a number, or at least one. */
export type Goal = number | { readonly atLeast: number };

/** One bench: measures, and names its goals. Figures carry their unit in their name. */
export interface Bench {
  /** Bounds of figures, as the issue that asked for the bench sets them. */
  readonly goals: Readonly<Record<string, Goal>>;
  run(options: { readonly print: (line: string) => void }): Promise<Readonly<Record<string, number>>>;
}

/** Whether `value` is what `goal` asks for. */
export const meets = (goal: Goal, value: number): boolean => (typeof goal === "number" ? value < goal : value >= goal.atLeast);

export const formatGoal = (goal: Goal): string => (typeof goal === "number" ? `< ${goal}` : `>= ${goal.atLeast}`);

/** The value below which `share` (0 to 1) of `values` lie: nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}
