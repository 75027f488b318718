import { Client, type ClientReadableStream, credentials } from "@grpc/grpc-js";
import type { Duration } from "#lib/runtime/duration.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { reconnectQuickly } from "./client.ts";
import { list, message, type Received, string } from "./message.ts";

const SubscribeRequest = message("SubscribeRequest", { filters: list(string(1)) });
const Envelope = message("Envelope", { namespace: string(2), topic: string(3) });

export interface ContainerEvents {
  stop(): void;
}

/**
 * Calls `changed` whenever a process of a container started, exited or ran out of memory, and on each (re)subscription, as events
 * may have been missed. containerd 1.6 has no CRI event stream; its own service (`containerd.services.events.v1`) on the same socket
 * has had these topics since 1.0. Whoever listens still polls slowly: with another runtime the stream stays silent.
 */
export function watchContainerEvents(
  runtime: Runtime,
  options: { readonly socket: string; readonly changed: (topic: string) => void; readonly retry?: Duration },
): ContainerEvents {
  const client = new Client(`unix:${options.socket}`, credentials.createInsecure(), reconnectQuickly);
  const topics = ["/tasks/exit", "/tasks/start", "/tasks/oom"];
  let stream: ClientReadableStream<Received<typeof Envelope>> | undefined;
  let stopped = false;
  const subscribe = (): void => {
    if (stopped) return;
    const opened = client.makeServerStreamRequest(
      "/containerd.services.events.v1.Events/Subscribe",
      (filters: string[]) => Buffer.from(SubscribeRequest.encode({ filters })),
      (bytes: Buffer) => Envelope.decode(bytes),
      topics.map((topic) => `topic==${JSON.stringify(topic)},namespace==k8s.io`),
    );
    stream = opened;
    let ended = false;
    const again = (): void => {
      if (ended || stopped) return;
      ended = true;
      runtime.clock.after(options.retry ?? seconds(1), subscribe, { background: true });
    };
    opened.on("data", (envelope: Received<typeof Envelope>) => options.changed(envelope.topic));
    opened.on("error", (error) => {
      runtime.logger.debug("container events are not available", { error: error.message });
      again();
    });
    opened.on("end", again);
    // what happened before the subscription is not told; nor does the server say when it holds
    options.changed("subscribed");
  };
  subscribe();
  return {
    stop() {
      stopped = true;
      stream?.cancel();
      client.close();
    },
  };
}
