/** As what of all that one life of an agent said it was said: what arrives late must not undo what was said after it. */
export interface Told {
  /** Unlike that of every other life of the node's agent. */
  readonly session: string;
  /** Grows from one request of the agent to the next. */
  readonly sequence: number;
}

/** Characters of a session. */
const longestSession = 64;
/** Lives of one agent that are known to be over: what was on its way when one ended arrives within a minute, or never. */
const formerAtMost = 8;
/** More nodes than a cluster has. */
const nodesAtMost = 20_000;

/** What a NetworkPolicyStatus or NetworkPolicyStatusList says of its place; undefined from agents that do not tell. Total. */
export function toldOf(body: unknown): Told | undefined {
  const { session, sequence } = (body ?? {}) as { readonly session?: unknown; readonly sequence?: unknown };
  if (typeof session !== "string" || session === "" || session.length > longestSession) return undefined;
  return typeof sequence === "number" && Number.isSafeInteger(sequence) && sequence >= 0 ? { session, sequence } : undefined;
}

/** Whether `told` was said before `known`, by the same life of an agent. */
export const isBefore = (told: Told | undefined, known: Told | undefined): boolean =>
  told !== undefined && known !== undefined && told.session === known.session && told.sequence < known.sequence;

/** Which life of each node's agent is heard now. */
export class AgentSessions {
  private readonly byNode = new Map<string, { current: string; former: readonly string[] }>();

  /** False for what a life said that is over: another was heard since. */
  isPresent(node: string, told: Told | undefined): boolean {
    if (told === undefined) return true;
    const { session } = told;
    const known = this.byNode.get(node);
    if (known?.current === session) return true;
    if (known?.former.includes(session)) return false;
    const former = known === undefined ? [] : [known.current, ...known.former].slice(0, formerAtMost);
    this.byNode.delete(node);
    this.byNode.set(node, { current: session, former });
    const [oldest] = this.byNode.keys();
    if (this.byNode.size > nodesAtMost && oldest !== undefined) this.byNode.delete(oldest);
    return true;
  }

  forget(node: string): void {
    this.byNode.delete(node);
  }
}
