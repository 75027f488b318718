import { type ComputedRevisions, computedAnnotation, type ControlplaneResource } from "#core/api/controlplane/index.ts";
import type { KubeClient, WatchEvent } from "#lib/kube/index.ts";

/** A controller in memory: what it sends is up to the test. Knows nothing but watches. */
export interface FakeController {
  readonly client: KubeClient;
  /** Sends an event to the open watch of a resource; the object is as it would be after JSON. */
  send(resource: ControlplaneResource, type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", object: unknown): void;
  bookmark(resource: ControlplaneResource, computed?: ComputedRevisions): void;
  /** Ends the open watch of a resource, as a server does that goes down. */
  end(resource: ControlplaneResource): void;
  /** How often a resource was watched. */
  opened(resource: ControlplaneResource): number;
  /** The field selector of the last watch. */
  selector(resource: ControlplaneResource): string | undefined;
}

type Sent = WatchEvent<never> | "end";

export function createFakeController(): FakeController {
  const watches = new Map<string, { push(event: Sent): void; readonly selector: string | undefined }>();
  const opened = new Map<string, number>();
  const client = {
    async *watch(resource: { readonly plural: string }, options: { readonly fieldSelector?: string; readonly signal?: AbortSignal }) {
      const queue: Sent[] = [];
      let wake = (): void => {};
      const push = (event: Sent): void => {
        queue.push(event);
        wake();
      };
      watches.set(resource.plural, { push, selector: options.fieldSelector });
      opened.set(resource.plural, (opened.get(resource.plural) ?? 0) + 1);
      options.signal?.addEventListener("abort", () => wake(), { once: true });
      while (!options.signal?.aborted) {
        const event = queue.shift();
        if (event === "end") return;
        if (event !== undefined) yield event;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
  const send: FakeController["send"] = (resource, type, object) =>
    watches.get(resource)?.push({ type, object: JSON.parse(JSON.stringify(object)) } as WatchEvent<never>);
  return {
    client: client as unknown as KubeClient,
    send,
    bookmark: (resource, computed) =>
      send(resource, "BOOKMARK", {
        metadata: computed === undefined ? {} : { annotations: { [computedAnnotation]: JSON.stringify(computed) } },
      }),
    end: (resource) => watches.get(resource)?.push("end"),
    opened: (resource) => opened.get(resource) ?? 0,
    selector: (resource) => watches.get(resource)?.selector,
  };
}
