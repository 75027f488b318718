/**
 * Which life of a node's agent says something, and as what of all that it says: a request that was given up, or whose sender is gone, may arrive behind later ones. Told in reports of policies,
 * as `session` and `sequence`.
 */
export interface Told {
  readonly session: Session;
  /** Grows from one request of the life to the next. */
  readonly sequence: number;
}

export interface Session {
  /** Milliseconds of the wall clock at its start, or more: a life that hears of one that began later by its clock says that it began behind it, which one that is over cannot. */
  readonly start: number;
  /** Unlike that of every other life. */
  readonly id: string;
}

/** Reason of the cause by which a report is refused (409), as a later life of the agent was heard: its message is the start of that one. */
export const laterSession = "LaterSession";

/** As requests carry it. */
export const encodeTold = ({ session: { start, id }, sequence }: Told): { readonly session: string; readonly sequence: number } => ({
  session: `${start}-${id}`,
  sequence,
});

/** What a request says of its place; undefined from agents that do not tell. Total. */
export function decodeTold(body: unknown): Told | undefined {
  const { session, sequence } = (body ?? {}) as { readonly session?: unknown; readonly sequence?: unknown };
  const [, start = "", id = ""] = typeof session === "string" ? (/^(\d{1,15})-([a-z0-9]{1,32})$/.exec(session) ?? []) : [];
  if (id === "" || typeof sequence !== "number" || !Number.isSafeInteger(sequence) || sequence < 0) return undefined;
  return { session: { start: Number(start), id }, sequence };
}

/** Whether the one was said before the other, by the same life of an agent. */
export const isBefore = (one: Told | undefined, other: Told | undefined): boolean =>
  one !== undefined && other !== undefined && one.session.id === other.session.id && one.sequence < other.sequence;
