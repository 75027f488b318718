import type { KubeClient } from "#lib/kube/client.ts";
import { type Event, events } from "#lib/kube/kinds.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeletPod } from "./pod.ts";
import { rfc3339 } from "./status.ts";

/** Different events remembered for counting; the oldest is forgotten first and would then be written anew. */
const remembered = 1_000;

export interface EventTarget {
  readonly kind: "Pod" | "Node";
  readonly apiVersion: "v1";
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
  readonly fieldPath?: string;
}

/** Writes events of this node. Never throws: an event that can't be written is logged and dropped. The same event again raises its count. */
export interface EventRecorder {
  normal(target: EventTarget, reason: string, message: string): void;
  warning(target: EventTarget, reason: string, message: string): void;
}

export function podTarget(pod: KubeletPod, container?: string): EventTarget {
  const { namespace = "", name = "", uid = "" } = pod.metadata;
  const field = (pod.spec.initContainers ?? []).some((found) => found.name === container) ? "spec.initContainers" : "spec.containers";
  return {
    kind: "Pod",
    apiVersion: "v1",
    namespace,
    name,
    uid,
    ...(container === undefined ? {} : { fieldPath: `${field}{${container}}` }),
  };
}

export function createEventRecorder(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly nodeName: string;
}): EventRecorder {
  const { runtime, client, nodeName } = options;
  const seen = new Map<string, { name: string; count: number; first: string }>();
  /** One write after the other, so that events arrive in the order in which they happened. */
  let last: Promise<void> = Promise.resolve();

  const write = async (type: "Normal" | "Warning", target: EventTarget, reason: string, message: string): Promise<void> => {
    const key = JSON.stringify([target.uid, target.fieldPath, type, reason, message]);
    const namespace = target.namespace ?? "default";
    const now = rfc3339(runtime.clock.wall());
    const known = seen.get(key);
    if (known !== undefined) {
      known.count++;
      await client.patch(events, { namespace, name: known.name }, { count: known.count, lastTimestamp: now });
      return;
    }
    const name = `${target.name}.${runtime.random.bytes(8).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "")}`;
    const event: Event = {
      metadata: { name, namespace },
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      involvedObject: { ...target },
      source: { component: "kubelet", host: nodeName },
      reportingComponent: "kubelet",
      reportingInstance: nodeName,
    };
    await client.create(events, event);
    seen.set(key, { name, count: 1, first: now });
    const oldest = seen.keys().next().value;
    if (seen.size > remembered && oldest !== undefined) seen.delete(oldest);
  };
  const record = (type: "Normal" | "Warning") => (target: EventTarget, reason: string, message: string) => {
    last = last
      .then(() => write(type, target, reason, message))
      .catch((error: unknown) => runtime.logger.debug("an event was not written", { reason, message, error: errorMessage(error) }));
  };
  return { normal: record("Normal"), warning: record("Warning") };
}
