import { laterSession, type Session, type Told } from "#core/api/controlplane/index.ts";
import { StatusError } from "#lib/apiserver/errors.ts";

/** More nodes than a cluster has. */
const nodesAtMost = 20_000;

/** Which life of each node's agent is heard now. */
export class AgentSessions {
  private readonly byNode = new Map<string, Session>();

  /**
   * Throws a {@link StatusError} (409) when a later life of the node's agent was heard: what its predecessor sent before it ended is refused, and a life whose clock is behind that of its
   * predecessor learns behind which start it has to say that it began.
   */
  hear(node: string, told: Told | undefined): void {
    if (told === undefined) return;
    const { session } = told;
    const known = this.byNode.get(node);
    if (known?.id === session.id) {
      if (session.start > known.start) this.byNode.set(node, session);
      return;
    }
    if (known !== undefined && session.start <= known.start)
      throw new StatusError(409, "Conflict", `a later life of the agent of node ${JSON.stringify(node)} was heard`, {
        causes: [{ reason: laterSession, message: String(known.start) }],
      });
    this.byNode.delete(node);
    this.byNode.set(node, session);
    const [oldest] = this.byNode.keys();
    if (this.byNode.size > nodesAtMost && oldest !== undefined) this.byNode.delete(oldest);
  }

  forget(node: string): void {
    this.byNode.delete(node);
  }
}
