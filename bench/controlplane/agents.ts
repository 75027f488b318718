import { type ClientHttp2Session, connect } from "node:http2";
import { controlplaneResources, heartbeatParameter, progressParameter } from "../../src/core/api/controlplane/index.ts";
import { type Duration, milliseconds, seconds, sleep, systemClock, systemRandom } from "../../src/lib/runtime/index.ts";

/**
 * Streams of agents over TLS, each agent's three on one connection, which look at no more of what they are sent than they must: what is measured is the server. Who is sent
 * away leaves, and comes with another connection when it was asked to, or up to half as long again later, as agents do.
 */
export interface BenchAgents {
  /** Opens the three streams of each; resolves when all have what they begin with. */
  connect(): Promise<void>;
  /** Breaks all connections at once. */
  cut(): void;
  /** Resolves when each has got another event of that type on its first stream. */
  whenAllHear(type: "MODIFIED"): Promise<void>;
  readonly figures: { bytes: number; sentAway: number };
}

/** Enough to know whether an event has come, and what it is. */
const tail = 64;
/** As the agents' own. */
const windowBytes = 4 * 1024 * 1024;

/** The first of what they come to that is anything, as soon as it is there. */
const firstDefined = <Value>(all: readonly Promise<Value | undefined>[]): Promise<Value | undefined> =>
  new Promise((resolve, reject) => {
    for (const each of all) each.then((value) => value !== undefined && resolve(value), reject);
    Promise.all(all).then(() => resolve(undefined), reject);
  });

export function createAgents({ port, nodes }: { readonly port: number; readonly nodes: readonly string[] }): BenchAgents {
  const figures = { bytes: 0, sentAway: 0 };
  const open = new Set<ClientHttp2Session>();
  const listeners = new Set<(node: string, text: string) => void>();

  /** Resolves when the stream's first bookmark has come, which is the end of what it begins with: to undefined, or to how long it was asked to wait instead. */
  const follow = (session: ClientHttp2Session, node: string, resource: string): Promise<Duration | undefined> =>
    new Promise((resolve, reject) => {
      const parameters = new URLSearchParams({ watch: "true", fieldSelector: `nodeName=${node}`, [progressParameter]: "true" });
      if (resource === "networkpolicies") parameters.set(heartbeatParameter, "200");
      const asking = session.request({ ":path": `/apis/controlplane.antrea.io/v1beta2/${resource}?${parameters}` });
      asking.on("error", reject);
      asking.on("response", (head) => {
        if (head[":status"] === 429) {
          asking.resume();
          resolve(seconds(Number(head["retry-after"] ?? 1)));
          return;
        }
        let before = "";
        asking.on("data", (chunk: Buffer) => {
          figures.bytes += chunk.length;
          const text = before + chunk.toString("latin1");
          if (text.includes('{"type":"BOOKMARK"')) resolve(undefined);
          if (resource === "networkpolicies") for (const listener of listeners) listener(node, text);
          before = text.slice(-tail);
        });
      });
    });
  const begin = async (node: string): Promise<void> => {
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, settings: { initialWindowSize: windowBytes } });
    session.on("error", () => {});
    session.once("connect", () => session.setLocalWindowSize(windowBytes));
    open.add(session);
    const streams = controlplaneResources.map((resource) => follow(session, node, resource));
    const wait = await firstDefined(streams);
    if (wait === undefined) return;
    figures.sentAway++;
    open.delete(session);
    session.destroy();
    await sleep(systemClock, milliseconds(wait * (1 + systemRandom.below(500) / 1_000)));
    return begin(node);
  };
  return {
    figures,
    async connect() {
      await Promise.all(nodes.map(begin));
    },
    cut() {
      for (const each of open) each.destroy();
      open.clear();
    },
    whenAllHear: (type) =>
      new Promise((resolve) => {
        const missing = new Set(nodes);
        const listener = (node: string, text: string): void => {
          if (!text.includes(`{"type":"${type}"`)) return;
          missing.delete(node);
          if (missing.size > 0) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      }),
  };
}
