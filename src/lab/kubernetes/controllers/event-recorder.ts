import { createHash } from "node:crypto";
import type { KubeClient } from "#lib/kube/client.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { events } from "#lib/kube/kinds.ts";
import { apiVersionOf, type Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Tells users what happened to an object (`kubectl describe`, `kubectl get events`). Never fails: an event that is not written is logged. */
export interface EventRecorder {
  record<Kind extends KubeObject>(resource: Resource<Kind>, object: Kind, event: EventText): void;
}

export interface EventText {
  readonly type?: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Most events that are counted up rather than written anew. */
const rememberedEvents = 1_000;

export function createEventRecorder({
  runtime,
  client,
  component,
}: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly component: string;
}): EventRecorder {
  const counts = new Map<string, number>();
  return {
    record(resource, { metadata }, { type = "Normal", reason, message }) {
      const { name = "", namespace = "default", uid = "", resourceVersion = "" } = metadata;
      const identity = createHash("sha256").update([uid, type, reason, message].join("\0")).digest("hex").slice(0, 16);
      const now = `${new Date(runtime.clock.wall()).toISOString().slice(0, 19)}Z`;
      const count = (counts.get(identity) ?? 0) + 1;
      counts.delete(identity);
      counts.set(identity, count);
      for (const oldest of counts.keys()) if (counts.size > rememberedEvents) counts.delete(oldest);
      const eventName = `${name}.${identity}`;
      const create = () =>
        client.create(events, {
          metadata: { name: eventName, namespace },
          involvedObject: {
            apiVersion: apiVersionOf(resource),
            kind: resource.kind,
            namespace: metadata.namespace ?? "",
            name,
            uid,
            resourceVersion,
          },
          type,
          reason,
          message,
          count,
          firstTimestamp: now,
          lastTimestamp: now,
          source: { component },
          reportingComponent: component,
        } as KubeObject);
      const write = async (): Promise<void> => {
        if (count === 1) await create();
        else {
          try {
            await client.patch(events, { namespace, name: eventName }, { count, lastTimestamp: now });
          } catch (error) {
            if (!isNotFound(error)) throw error;
            await create();
          }
        }
      };
      write().catch((error: unknown) => runtime.logger.debug("event not written", { reason, name, error: errorMessage(error) }));
    },
  };
}
