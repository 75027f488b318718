import type { KubeClient } from "#lib/kube/index.ts";

/** One antrea-controller, and the way to it. */
export interface ControllerReplica {
  /** Its address, or what else tells it from others. */
  readonly name: string;
  readonly client: KubeClient;
  /** `ready` before `unready` before `indirect`: by way of the Kubernetes API, which chooses one itself. */
  readonly standing: "ready" | "unready" | "indirect";
}

/** The controllers that there are, as far as is known. */
export interface ControllerReplicas {
  known(): readonly ControllerReplica[];
  /** Resolves when what can be known at a start is known, or it takes too long. */
  whenKnown(signal: AbortSignal): Promise<void>;
  /** Hears that others are known. */
  onChange(listener: () => void): () => void;
}

/** The only controller there is, or one way to all of them. */
export function oneController(client: KubeClient): ControllerReplicas {
  const only: ControllerReplica = { name: client.server, client, standing: "ready" };
  return { known: () => [only], whenKnown: () => Promise.resolve(), onChange: () => () => {} };
}
