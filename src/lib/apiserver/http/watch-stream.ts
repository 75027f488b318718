import type { ServerResponse } from "node:http";
import type { Clock } from "#lib/runtime/clock.ts";
import { minutes, seconds } from "#lib/runtime/duration.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Turns } from "#lib/runtime/turns.ts";
import type { KindHandler } from "../kinds/kind-handler.ts";
import type { StoreContext, StoreEvent, WatchSink } from "../resource-store.ts";
import { type Exchange, isGone, warningHeaders } from "./exchange.ts";
import { watchOptionsOf, wholeNumber } from "./parameters.ts";
import { LineQueue } from "./line-queue.ts";
import type { Rendering } from "./rendering.ts";
import type { ResourceTarget } from "./target.ts";

/** What may wait for a slow watcher, beyond the objects it started with. Then it is closed and lists again. */
const backlogLimitBytes = 8 * 1024 * 1024;
/** The same of a watcher whose bytes nobody else shares: a thousand that stop reading hold half a GiB, as people who watch tables are few. */
const ownBacklogLimitBytes = 512 * 1024;
/** A line that others share costs a watcher its place in a list: these are 64 kB of a thousand watchers each. */
const backlogLimitLines = 8_192;
/**
 * So much is under way at a time. Node's TLS keeps for each connection a buffer of 16 kB, or of all that it was ever given at once where that was more: the rest is room for
 * what else goes out in the same moment. A group of 2 000 members, 300 kB, written in one piece costs each of its watchers as much for good.
 */
const batchBytes = 12 * 1024;
/** A watch without `timeoutSeconds` ends after 30 to 60 minutes, so that watchers spread over restarted servers. */
const shortestWatch = minutes(30);

/** Begins a watch, which goes on until the client goes, the server stops or the time is over. Throws only before anything was sent. */
export async function streamWatch(options: {
  readonly exchange: Pick<Exchange<ResourceTarget>, "response" | "target" | "signal" | "warnings">;
  readonly handler: Pick<KindHandler, "watch">;
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
  const sink = new ResponseSink(response, { rendering, endings: options.endings });
  // the head waits for the store's consent, as a watch from too old a version is refused by an ordinary answer
  const stop = await handler.watch(wanted, sink, options.context);
  sink.open(exchange.warnings);
  // From here on nothing waits for the end: a function that did would keep the whole request, many times what the watch itself needs.
  if (isGone(response)) return stop();
  const timer = clock.after(timeout, () => sink.close(), { background: true });
  response.on("close", () => {
    timer.cancel();
    stop();
  });
  if (signal.aborted) sink.close();
  else signal.addEventListener("abort", () => sink.close(), { once: true });
}

/** The way into an answer. A class, as {@link LineQueue} is. */
class ResponseSink implements WatchSink {
  readonly #response: ServerResponse;
  readonly #rendering: Rendering;
  readonly #endings: Turns;
  #backlog = new LineQueue();
  #opened = false;
  #closed = false;
  #gone: boolean;
  #first = true;
  /** Something was written that has not left. */
  #writing = false;
  /** Of what waits, that which the watcher began with. */
  #exemptBytes = 0;
  #exemptLines = 0;

  constructor(response: ServerResponse, { rendering, endings }: { readonly rendering: Rendering; readonly endings: Turns }) {
    this.#response = response;
    this.#rendering = rendering;
    this.#endings = endings;
    this.#gone = isGone(response);
    // What waited for somebody who is gone waits for nobody.
    response.on("close", () => {
      this.#gone = true;
      this.#backlog = new LineQueue();
    });
  }

  get pendingBytes(): number {
    return this.#gone ? 0 : this.#backlog.bytes + this.#response.writableLength;
  }

  /** Sends the head of the answer, and what was collected before it. */
  open(warnings: readonly string[]): void {
    for (const warning of warningHeaders(warnings)) this.#response.appendHeader("Warning", warning);
    this.#response.writeHead(200, { "Content-Type": this.#rendering.watchType, "Cache-Control": "no-cache, private" });
    this.#response.flushHeaders();
    this.#exemptBytes = this.#backlog.bytes;
    this.#exemptLines = this.#backlog.lines;
    this.#opened = true;
    this.#flush();
  }

  send(event: StoreEvent): boolean {
    if (this.#closed || this.#gone) return false;
    this.#exemptBytes = Math.min(this.#exemptBytes, this.#backlog.bytes);
    this.#exemptLines = Math.min(this.#exemptLines, this.#backlog.lines);
    if (this.#opened && this.#lags()) {
      this.#closed = true;
      this.#endings(() => this.#response.destroy());
      return false;
    }
    this.#backlog.push(this.#rendering.event(event, this.#first));
    if (event.type !== "BOOKMARK") this.#first = false;
    if (this.#opened) this.#flush();
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#opened) this.#flush();
  }

  #lags(): boolean {
    const limit = this.#rendering.ownEvents ? ownBacklogLimitBytes : backlogLimitBytes;
    return this.#backlog.bytes - this.#exemptBytes > limit || this.#backlog.lines - this.#exemptLines > backlogLimitLines;
  }

  #flush(): void {
    if (this.#writing) return;
    if (this.#backlog.lines > 0) {
      this.#writing = true;
      this.#response.write(this.#backlog.take(batchBytes), this.#written);
    } else if (this.#closed) this.#response.end();
  }

  readonly #written = (error?: Error | null): void => {
    if (error) return; // it is gone
    this.#writing = false;
    this.#flush();
  };
}
