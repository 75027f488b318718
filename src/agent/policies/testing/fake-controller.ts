import {
  changeAnnotation,
  type ComputedRevisions,
  computedAnnotation,
  type ControlplaneResource,
  encodeChangeMark,
  heartbeatAnnotation,
} from "#core/api/controlplane/index.ts";
import type { KubeClient, WatchEvent } from "#lib/kube/index.ts";

/** A controller in memory: what it sends is up to the test. Knows nothing but watches. */
export interface FakeController {
  readonly client: KubeClient;
  /** Sends an event to the open watch of a resource; the object is as it would be after JSON. */
  send(resource: ControlplaneResource, type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", object: unknown): void;
  bookmark(
    resource: ControlplaneResource,
    computed?: ComputedRevisions,
    options?: { readonly heartbeat?: number; readonly change?: number },
  ): void;
  /** Ends the open watch of a resource, as a server does that goes down. */
  end(resource: ControlplaneResource): void;
  /** Breaks all connections, as when its process is killed; later watches are refused until {@link revive}. */
  die(): void;
  revive(): void;
  /** Answers later watches with this failure; undefined: no more. */
  refuse(failure: Error | undefined): void;
  /** How many watches are open. */
  readonly open: number;
  /** How often a resource was watched. */
  opened(resource: ControlplaneResource): number;
  /** The field selector of the last watch. */
  selector(resource: ControlplaneResource): string | undefined;
}

type Sent = WatchEvent<never> | "end" | "dead";

export function createFakeController(): FakeController {
  const watches = new Map<string, { push(event: Sent): void; readonly selector: string | undefined }>();
  const opened = new Map<string, number>();
  let dead = false;
  let refusal: Error | undefined;
  let open = 0;
  const client = {
    server: "in memory",
    async *watch(resource: { readonly plural: string }, options: { readonly fieldSelector?: string; readonly signal?: AbortSignal }) {
      if (dead) throw new Error("connection refused");
      opened.set(resource.plural, (opened.get(resource.plural) ?? 0) + 1);
      if (refusal !== undefined) throw refusal;
      const queue: Sent[] = [];
      let wake = (): void => {};
      const push = (event: Sent): void => {
        queue.push(event);
        wake();
      };
      watches.set(resource.plural, { push, selector: options.fieldSelector });
      options.signal?.addEventListener("abort", () => wake(), { once: true });
      open++;
      try {
        while (!options.signal?.aborted) {
          const event = queue.shift();
          if (event === "end") return;
          if (event === "dead") throw new Error("connection reset");
          if (event !== undefined) yield event;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      } finally {
        open--;
      }
    },
  };
  const send: FakeController["send"] = (resource, type, object) =>
    watches.get(resource)?.push({ type, object: JSON.parse(JSON.stringify(object)) } as WatchEvent<never>);
  return {
    client: client as unknown as KubeClient,
    send,
    bookmark(resource, computed, { heartbeat, change } = {}) {
      const annotations = {
        ...(computed !== undefined && { [computedAnnotation]: JSON.stringify(computed) }),
        ...(heartbeat !== undefined && { [heartbeatAnnotation]: String(heartbeat) }),
        ...(change !== undefined && { [changeAnnotation]: encodeChangeMark({ origin: "fake", number: change }) }),
      };
      send(resource, "BOOKMARK", { metadata: { annotations } });
    },
    end: (resource) => watches.get(resource)?.push("end"),
    die() {
      dead = true;
      for (const { push } of watches.values()) push("dead");
    },
    revive() {
      dead = false;
    },
    refuse(failure) {
      refusal = failure;
    },
    get open() {
      return open;
    },
    opened: (resource) => opened.get(resource) ?? 0,
    selector: (resource) => watches.get(resource)?.selector,
  };
}
