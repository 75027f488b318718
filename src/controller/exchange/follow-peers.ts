import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { KubeApiError, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { createBackoff, errorMessage, minutes, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { decodeKnowledge, nodeReportKind, type NodeKnowledge } from "./node-report.ts";
import { askedBy, atOnce, currentFor, heardUpTo } from "./offer.ts";

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
/** Who is silent for longer than a question is held is asked anew: the way to it may be another. */
const answerWithin = seconds(5);
/** So long a request for statistics waits for what one knows that has not been heard lately. */
const promptly = seconds(1);

export interface FollowedPeers {
  /** Resolves when what the others knew at the start is known here, or they take too long. */
  readonly whenHeard: Promise<void>;
  /** Resolves when nothing was told by another that is not known here, as far as that one can be asked. */
  whenCurrent(): Promise<void>;
}

interface Followed {
  readonly client: KubeClient;
  readonly stop: AbortController;
  readonly heard: Promise<void>;
  /** Of the last answer. */
  version: string;
  /** Until when it tells nothing without us. */
  currentUntil: number;
  /** It is this one, or tells nothing. */
  silent: boolean;
}

/** Takes in what the others know of nodes, from each as soon as it knows it. */
export function followPeers(options: {
  readonly runtime: Runtime;
  readonly peers: Peers;
  /** Names this run of this replica, as its own offer does. */
  readonly origin: string;
  readonly take: (knowledge: NodeKnowledge) => void;
  readonly signal: AbortSignal;
}): FollowedPeers {
  const { runtime, peers, origin, take, signal } = options;
  const { clock } = runtime;
  const logger = runtime.logger.with({ component: "exchange" });
  const followed = new Map<string, Followed>();

  /** Asks once and takes in the answer. */
  const ask = async (name: string, peer: Followed, hurry: boolean): Promise<void> => {
    const { client, version, stop } = peer;
    const parameters = { [askedBy]: origin, ...(version !== "" && { [heardUpTo]: version }), ...(hurry && { [atOnce]: "true" }) };
    const asked = clock.monotonic();
    const late = new AbortController();
    const timer = clock.after(answerWithin, () => late.abort(new Error(`no answer within ${answerWithin / 1_000} s`)), {
      background: true,
    });
    const signal = AbortSignal.any([stop.signal, late.signal]);
    const { metadata, items } = await client.list(nodeReports, { parameters, signal }).finally(() => timer.cancel());
    const { resourceVersion = "" } = metadata;
    if (resourceVersion.endsWith(`.${origin}`)) {
      peer.silent = true;
      return;
    }
    for (const item of items) {
      const decoded = decodeKnowledge(item, clock.monotonic());
      if (decoded.ok) take(decoded.value);
      else logger.warn("another controller tells what cannot be read", { replica: name, path: decoded.path, reason: decoded.reason });
    }
    peer.version = resourceVersion;
    peer.silent = false;
    peer.currentUntil = Math.max(peer.currentUntil, asked + currentFor);
  };
  const follow = async (name: string, peer: Followed, heard: () => void): Promise<void> => {
    const stop = peer.stop.signal;
    const backoff = createBackoff({ random: runtime.random, ...again });
    let complaint: string | undefined;
    while (!stop.aborted) {
      let pause: number | undefined;
      try {
        await ask(name, peer, false);
        complaint = undefined;
        backoff.reset();
        heard();
        // It is this one.
        if (peer.silent) return;
      } catch (error) {
        if (stop.aborted) return;
        // Another run of it may be there by now.
        peer.currentUntil = Number.NEGATIVE_INFINITY;
        const refused = error instanceof KubeApiError && (error.httpStatus === 404 || error.httpStatus === 403);
        if (refused) {
          peer.silent = true;
          heard();
        }
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
      const heard = Promise.withResolvers<void>();
      const peer = {
        client,
        stop: new AbortController(),
        heard: heard.promise,
        version: "",
        currentUntil: Number.NEGATIVE_INFINITY,
        silent: false,
      };
      followed.set(name, peer);
      void follow(name, peer, heard.resolve);
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
  return {
    whenHeard,
    async whenCurrent() {
      const now = clock.monotonic();
      const doubtful = [...followed].filter(([, { silent, currentUntil }]) => !silent && currentUntil <= now);
      if (doubtful.length === 0) return;
      const enough = new AbortController();
      const late = sleep(clock, promptly, AbortSignal.any([signal, enough.signal])).catch(() => {});
      await Promise.race([Promise.allSettled(doubtful.map(([name, peer]) => ask(name, peer, true))), late]);
      enough.abort();
    },
  };
}
