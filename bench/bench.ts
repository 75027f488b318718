/** What a figure must show: a number means below it. */
export type Goal = number | { readonly atLeast: number } | { readonly atMost: number };

/** One bench: measures, and names its goals. Figures carry their unit in their name. */
export interface Bench {
  /** Bounds of figures, as the issue that asked for the bench sets them. */
  readonly goals: Readonly<Record<string, Goal>>;
  run(options: { readonly print: (line: string) => void }): Promise<Readonly<Record<string, number>>>;
}

/** Whether `value` is what `goal` asks for. */
export function meets(goal: Goal, value: number): boolean {
  if (typeof goal === "number") return value < goal;
  return "atLeast" in goal ? value >= goal.atLeast : value <= goal.atMost;
}

export function formatGoal(goal: Goal): string {
  if (typeof goal === "number") return `< ${goal}`;
  return "atLeast" in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`;
}

/** The value below which `share` (0 to 1) of `values` lie: nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}
