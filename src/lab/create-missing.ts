import { isAlreadyExists, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { retryUntilDone } from "#lib/runtime/backoff.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** An API server that has just started may refuse writes for a moment, for want of what it makes itself. */
const patience = seconds(20);

/** Creates objects where they are not there yet, by a client that may come too early. */
export function creatorOfMissing({
  runtime,
  client,
  signal,
}: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}): <Kind extends KubeObject>(resource: Resource<Kind>, object: Kind) => Promise<"created" | "was there"> {
  return (resource, object) =>
    retryUntilDone(
      runtime,
      async () => {
        try {
          await client.create(resource, object);
          return "created";
        } catch (error) {
          if (isAlreadyExists(error)) return "was there";
          throw error;
        }
      },
      { signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) },
    );
}
