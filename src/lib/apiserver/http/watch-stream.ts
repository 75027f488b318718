import type { Clock } from "#lib/runtime/clock.ts";
import { minutes, seconds } from "#lib/runtime/duration.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { KindHandler } from "../kinds/kind-handler.ts";
import type { StoreContext, WatchSink } from "../resource-store.ts";
import { type Exchange, quoted } from "./exchange.ts";
import { watchOptionsOf, wholeNumber } from "./parameters.ts";
import type { Rendering } from "./rendering.ts";
import type { ResourceTarget } from "./target.ts";

/** What may wait for a slow watcher, beyond the objects it started with. Then it is closed and lists again. */
const backlogLimitBytes = 8 * 1024 * 1024;
/** The same of a watcher whose bytes nobody else shares: a thousand that stop reading hold half a GiB, as people who watch tables are few. */
const ownBacklogLimitBytes = 512 * 1024;
/** A watch without `timeoutSeconds` ends after 30 to 60 minutes, so that watchers spread over restarted servers. */
const shortestWatch = minutes(30);

/** Answers a watch until the client goes, the server stops or the time is over. Throws only before anything was sent. */
export async function streamWatch(options: {
  readonly exchange: Exchange<ResourceTarget>;
  readonly handler: KindHandler;
  readonly rendering: Rendering;
  readonly context: StoreContext;
  readonly clock: Clock;
  readonly random: Random;
}): Promise<void> {
  const { exchange, handler, rendering, clock, random } = options;
  const { response, target, signal } = exchange;
  const wanted = watchOptionsOf(target);
  const timeout = seconds(wholeNumber(target.parameters, "timeoutSeconds") ?? 0) || shortestWatch + random.below(shortestWatch);
  const sink = createSink(exchange, rendering);
  // the head waits for the store's consent, as a watch from too old a version is refused by an ordinary answer
  const stop = await handler.watch(wanted, sink, options.context);
  sink.open();
  const timer = clock.after(timeout, () => sink.close(), { background: true });
  const finished = Promise.withResolvers<void>();
  response.once("close", finished.resolve);
  if (signal.aborted) sink.close();
  signal.addEventListener("abort", () => sink.close(), { once: true });
  if (response.closed) finished.resolve();
  await finished.promise;
  timer.cancel();
  stop();
}

function createSink({ response, warnings }: Exchange, rendering: Rendering): WatchSink & { open(): void } {
  const limit = rendering.ownEvents ? ownBacklogLimitBytes : backlogLimitBytes;
  let opened = false;
  let closed = false;
  let first = true;
  let exempt = 0;
  const early: Buffer[] = [];
  let earlyBytes = 0;
  const write = (line: Buffer): void => {
    if (opened) response.write(line);
    else {
      early.push(line);
      earlyBytes += line.length;
    }
  };
  return {
    get pendingBytes() {
      return earlyBytes + (response.destroyed ? 0 : response.writableLength);
    },
    open() {
      for (const warning of warnings) response.appendHeader("Warning", `299 - ${quoted(warning)}`);
      response.writeHead(200, { "Content-Type": rendering.watchType, "Cache-Control": "no-cache, private" });
      response.flushHeaders();
      for (const line of early) response.write(line);
      early.length = 0;
      earlyBytes = 0;
      exempt = response.writableLength;
      opened = true;
      if (closed) response.end();
    },
    send(event) {
      if (closed || response.destroyed) return false;
      exempt = Math.min(exempt, response.writableLength);
      if (opened && response.writableLength - exempt > limit) {
        closed = true;
        response.destroy();
        return false;
      }
      write(rendering.event(event, first));
      if (event.type !== "BOOKMARK") first = false;
      return true;
    },
    close() {
      closed = true;
      if (opened) response.end();
    },
  };
}
