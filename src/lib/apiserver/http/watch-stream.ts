import type { Clock } from "#lib/runtime/clock.ts";
import { minutes, seconds } from "#lib/runtime/duration.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Turns } from "#lib/runtime/turns.ts";
import type { KindHandler } from "../kinds/kind-handler.ts";
import type { StoreContext, WatchSink } from "../resource-store.ts";
import { type Exchange, isGone, warningHeaders } from "./exchange.ts";
import { watchOptionsOf, wholeNumber } from "./parameters.ts";
import { createLineQueue } from "./line-queue.ts";
import type { Rendering } from "./rendering.ts";
import type { ResourceTarget } from "./target.ts";

/** What may wait for a slow watcher, beyond the objects it started with. Then it is closed and lists again. */
const backlogLimitBytes = 8 * 1024 * 1024;
/** The same of a watcher whose bytes nobody else shares: a thousand that stop reading hold half a GiB, as people who watch tables are few. */
const ownBacklogLimitBytes = 512 * 1024;
/** A line that others share costs a watcher its place in a list: these are 64 kB of a thousand watchers each. */
const backlogLimitLines = 8_192;
/**
 * So much goes out before the next has to be asked for: two records of TLS. Node keeps for each connection as much memory as it ever had encrypted and unsent
 * at once: a group of 2 000 members, 300 kB, written in one piece costs each of its watchers as much for good.
 */
const batchBytes = 32 * 1024;
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
  readonly endings: Turns;
}): Promise<void> {
  const { exchange, handler, rendering, clock, random } = options;
  const { response, target, signal } = exchange;
  const wanted = watchOptionsOf(target);
  const timeout = seconds(wholeNumber(target.parameters, "timeoutSeconds") ?? 0) || shortestWatch + random.below(shortestWatch);
  const sink = createSink(exchange, { rendering, endings: options.endings });
  // the head waits for the store's consent, as a watch from too old a version is refused by an ordinary answer
  const stop = await handler.watch(wanted, sink, options.context);
  sink.open();
  const timer = clock.after(timeout, () => sink.close(), { background: true });
  const finished = Promise.withResolvers<void>();
  response.once("close", finished.resolve);
  if (signal.aborted) sink.close();
  signal.addEventListener("abort", () => sink.close(), { once: true });
  if (isGone(response)) finished.resolve();
  await finished.promise;
  timer.cancel();
  stop();
}

interface Sink extends WatchSink {
  /** Sends the head of the answer, and what was collected before it. */
  open(): void;
}

function createSink(
  { response, warnings }: Exchange,
  { rendering, endings }: { readonly rendering: Rendering; readonly endings: Turns },
): Sink {
  const limit = rendering.ownEvents ? ownBacklogLimitBytes : backlogLimitBytes;
  let backlog = createLineQueue();
  let opened = false;
  let closed = false;
  let gone = isGone(response);
  let first = true;
  /** The response has enough; it says `drain` when it wants more. */
  let full = false;
  /** Of what waits, that which the watcher began with. */
  let exempt = { bytes: 0, lines: 0 };
  const flush = (): void => {
    while (!full && backlog.lines > 0) full = !response.write(backlog.take(batchBytes));
    if (closed && backlog.lines === 0) response.end();
  };
  response.on("drain", () => {
    full = false;
    flush();
  });
  // What waited for somebody who is gone waits for nobody.
  response.once("close", () => {
    gone = true;
    backlog = createLineQueue();
  });
  return {
    get pendingBytes() {
      return gone ? 0 : backlog.bytes + response.writableLength;
    },
    open() {
      for (const warning of warningHeaders(warnings)) response.appendHeader("Warning", warning);
      response.writeHead(200, { "Content-Type": rendering.watchType, "Cache-Control": "no-cache, private" });
      response.flushHeaders();
      exempt = { bytes: backlog.bytes, lines: backlog.lines };
      opened = true;
      flush();
    },
    send(event) {
      if (closed || gone) return false;
      exempt = { bytes: Math.min(exempt.bytes, backlog.bytes), lines: Math.min(exempt.lines, backlog.lines) };
      if (opened && (backlog.bytes - exempt.bytes > limit || backlog.lines - exempt.lines > backlogLimitLines)) {
        closed = true;
        endings(() => response.destroy());
        return false;
      }
      backlog.push(rendering.event(event, first));
      if (event.type !== "BOOKMARK") first = false;
      if (opened && !full) flush();
      return true;
    },
    close() {
      if (closed) return;
      closed = true;
      if (opened && backlog.lines === 0) response.end();
    },
  };
}
