import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { KubeApiError, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { createBackoff, errorMessage, minutes, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { decodeKnowledge, nodeReportKind, type NodeKnowledge } from "./node-report.ts";
import { askedBy, heardUpTo } from "./offer.ts";

/** The other controllers, as far as is known; this one may be among them. */
export interface Peers {
  known(): readonly { readonly name: string; readonly client: KubeClient }[];
  whenKnown(signal: AbortSignal): Promise<void>;
  onChange(listener: () => void): () => void;
}

/** A controller alone. */
export const noPeers: Peers = { known: () => [], whenKnown: () => Promise.resolve(), onChange: () => () => {} };

const nodeReports: Resource<KubeObject> = {
  group: controlplaneGroup,
  version: controlplaneVersion,
  plural: "nodereports",
  kind: nodeReportKind,
  namespaced: false,
};
const again = { initial: seconds(0.2), limit: seconds(5) };
/** One of an earlier version, or that does not let us, may become another. */
const refusedRetry = minutes(1);
/** So long a start waits for what others know; one that is away does not keep it. */
const heardWithin = seconds(3);

/** Takes in what the others know of nodes, from each as soon as it knows it. */
export function followPeers(options: {
  readonly runtime: Runtime;
  readonly peers: Peers;
  /** Names this run of this replica, as its own offer does. */
  readonly origin: string;
  readonly take: (knowledge: NodeKnowledge) => void;
  readonly signal: AbortSignal;
}): { readonly whenHeard: Promise<void> } {
  const { runtime, peers, origin, take, signal } = options;
  const { clock } = runtime;
  const logger = runtime.logger.with({ component: "exchange" });
  const followed = new Map<string, { readonly client: KubeClient; readonly stop: AbortController; readonly heard: Promise<void> }>();

  const follow = async (name: string, client: KubeClient, stop: AbortSignal, heard: () => void): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, ...again });
    let version = "";
    let complaint: string | undefined;
    while (!stop.aborted) {
      let pause: number | undefined;
      try {
        const parameters = { [askedBy]: origin, ...(version !== "" && { [heardUpTo]: version }) };
        const { metadata, items } = await client.list(nodeReports, { parameters, signal: stop });
        const { resourceVersion = "" } = metadata;
        // It is this one.
        if (resourceVersion.endsWith(`.${origin}`)) return heard();
        for (const item of items) {
          const decoded = decodeKnowledge(item, clock.monotonic());
          if (decoded.ok) take(decoded.value);
          else logger.warn("another controller tells what cannot be read", { replica: name, path: decoded.path, reason: decoded.reason });
        }
        version = resourceVersion;
        complaint = undefined;
        backoff.reset();
        heard();
      } catch (error) {
        if (stop.aborted) return;
        const refused = error instanceof KubeApiError && (error.httpStatus === 404 || error.httpStatus === 403);
        if (refused) heard();
        const reason = errorMessage(error);
        if (reason !== complaint) logger.info("not hearing another controller's reports of nodes", { replica: name, error: reason });
        complaint = reason;
        pause = refused ? refusedRetry : backoff.next();
      }
      if (pause !== undefined) await sleep(clock, pause, stop).catch(() => {});
    }
  };
  const look = (): void => {
    const known = new Map(peers.known().map(({ name, client }) => [name, client]));
    for (const [name, { client, stop }] of followed) {
      if (known.get(name) === client && !signal.aborted) continue;
      stop.abort();
      followed.delete(name);
    }
    if (signal.aborted) return;
    for (const [name, client] of known) {
      if (followed.has(name)) continue;
      const stop = new AbortController();
      const heard = Promise.withResolvers<void>();
      followed.set(name, { client, stop, heard: heard.promise });
      void follow(name, client, stop.signal, heard.resolve);
    }
  };
  const unsubscribe = peers.onChange(look);
  const ended = (): void => {
    unsubscribe();
    look();
  };
  signal.addEventListener("abort", ended, { once: true });
  const whenHeard = (async (): Promise<void> => {
    await peers.whenKnown(signal);
    look();
    const enough = new AbortController();
    const late = sleep(clock, heardWithin, AbortSignal.any([signal, enough.signal])).catch(() => {});
    await Promise.race([Promise.all([...followed.values()].map(({ heard }) => heard)), late]);
    enough.abort();
  })();
  return { whenHeard };
}
