import { IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable, Writable } from "node:stream";
import { KubeUnreachable } from "#lib/kube/errors.ts";
import type { HttpAnswer, HttpRequest, Transport } from "#lib/kube/transport.ts";
import { type Random, seconds } from "#lib/runtime/index.ts";
import type { SimConnection, SimNetwork } from "./network.ts";
import type { SimProcess } from "./process.ts";

/** Names the client to the servers of a simulation. */
export const userHeader = "x-simulated-user";
/** The same as a client's over sockets. */
const answerTimeout = seconds(60);

/** What listens at an address of the simulation. */
export interface SimServer {
  readonly host: string;
  readonly process: SimProcess;
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export interface SimTransportOptions {
  readonly network: SimNetwork;
  /** Decides where in the bytes a connection is cut. */
  readonly random: Random;
  readonly host: string;
  readonly process: SimProcess;
  readonly user: string;
  /** Who listens there now; undefined when nobody does. */
  readonly server: () => SimServer | undefined;
  /** The host that is asked for. */
  readonly to: string;
}

/** HTTP between processes of a simulation: requests and answers as the real server and client handle them, on connections of the simulated network. */
export function simTransport(options: SimTransportOptions): Transport {
  const url = `http://${options.to}`;
  return { server: url, send: (request) => exchange(options, url, request), close() {} };
}

function exchange(
  { network, random, host, process, user, server, to }: SimTransportOptions,
  url: string,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const { method, path, headers = {}, body, signal } = request;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    let answer: SimBody | undefined;
    let serving: { readonly response: SimResponse; readonly process: SimProcess } | undefined;
    let over = false;
    const forget: (() => void)[] = [];
    /** Takes everything down that this side has of it. */
    const finish = (): void => {
      if (over) return;
      over = true;
      connection.close();
      timer.cancel();
      for (const stop of forget) stop();
    };
    const fail = (reason: string): void => {
      if (over) return;
      const unsent = answer === undefined ? undefined : serving?.response.unsent();
      finish();
      process.enter(() => {
        if (answer === undefined) reject(signal?.aborted ? signal.reason : new KubeUnreachable(url, new Error(reason)));
        else {
          // Cut in the middle: a part of what was on its way is there already.
          if (unsent !== undefined && unsent.length > 0) answer.arrive(unsent.subarray(0, random.below(unsent.length)));
          answer.breakOff(new Error(reason));
        }
      });
    };
    const hangUp = (): void => {
      const { response, process: other } = serving ?? {};
      if (response !== undefined) other?.enter(() => response.hungUp());
    };
    const connection = network.connect({
      from: host,
      to,
      broken() {
        fail("read ECONNRESET");
        hangUp();
      },
    });
    const timer = process.clock.after(answerTimeout, () => {
      fail(`no answer within ${answerTimeout / 1_000} s`);
      hangUp();
    });
    const abandon = (reason: unknown): void => {
      if (over) return;
      connection.send("there", () => hangUp());
      // What was sent before it still arrives.
      over = true;
      timer.cancel();
      for (const stop of forget) stop();
      if (answer === undefined) reject(reason);
      else answer.destroy(reason as Error);
    };
    if (signal !== undefined) {
      const aborted = (): void => abandon(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      forget.push(() => signal.removeEventListener("abort", aborted));
    }
    forget.push(
      process.onDeath(() => {
        if (over) return;
        connection.send("there", () => hangUp());
        over = true;
        timer.cancel();
        for (const stop of forget) stop();
      }),
    );
    const receive = (items: readonly Item[]): void => {
      for (const item of items) {
        if (over) return;
        if ("status" in item) {
          timer.cancel();
          answer = new SimBody(() => {
            if (!over) abandon(new Error("closed here"));
          });
          resolve({ status: item.status, headers: item.headers, body: answer });
        } else if ("bytes" in item) answer?.arrive(item.bytes);
        else if (item.end === "whole") {
          finish();
          answer?.arrive(null);
        } else fail("read ECONNRESET");
      }
    };
    connection.send("there", () => {
      const listener = server();
      if (listener === undefined || listener.process.state === "dead") {
        connection.send("back", () => fail("connect ECONNREFUSED"));
        return;
      }
      listener.process.enter(() => {
        const response = new SimResponse(connection, (items) => process.enter(() => receive(items)));
        serving = { response, process: listener.process };
        forget.push(listener.process.onDeath(() => connection.send("back", () => fail("read ECONNRESET"))));
        const all = { host: to, ...headers, [userHeader]: user };
        void listener.answer(requestOf({ method, path, headers: all, body }), response as unknown as ServerResponse);
      });
    });
  });
}

type Item =
  | { readonly status: number; readonly headers: IncomingMessage["headers"] }
  | { readonly bytes: Buffer | string }
  | { readonly end: "whole" | "cut" };

const noSocket = {
  readable: false,
  writable: false,
  destroyed: false,
  on() {},
  removeListener() {},
  destroy() {},
  pause() {},
  resume() {},
};

function requestOf({
  method,
  path,
  headers,
  body,
}: {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}): IncomingMessage {
  const request = new IncomingMessage(noSocket as unknown as Socket);
  request.method = method;
  request.url = path;
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const typed = bytes === undefined ? {} : { "content-type": "application/json", "content-length": String(bytes.length) };
  request.headers = Object.fromEntries(
    Object.entries({ accept: "application/json", ...typed, ...headers }).map(([name, value]) => [name.toLowerCase(), value]),
  );
  if (bytes !== undefined) request.push(bytes);
  request.push(null);
  request.complete = true;
  return request;
}

/** The server's side of an answer, as far as the API library uses it. What is written while something is on its way goes with the next. */
class SimResponse extends Writable {
  statusCode = 200;
  headersSent = false;
  private readonly fields = new Map<string, string>();
  private items: Item[] = [];
  private scheduled = false;
  private telling = false;
  private readonly connection: SimConnection;
  private readonly deliver: (items: readonly Item[]) => void;

  constructor(connection: SimConnection, deliver: (items: readonly Item[]) => void) {
    super();
    this.connection = connection;
    this.deliver = deliver;
    this.on("error", () => {});
  }

  setHeader(name: string, value: string | number): this {
    this.fields.set(name.toLowerCase(), String(value));
    return this;
  }

  getHeader(name: string): string | undefined {
    return this.fields.get(name.toLowerCase());
  }

  appendHeader(name: string, value: string): this {
    return this.setHeader(name, value);
  }

  writeHead(status: number, fields: Readonly<Record<string, string | number>> = {}): this {
    for (const [name, value] of Object.entries(fields)) this.setHeader(name, value);
    this.statusCode = status;
    this.flushHeaders();
    return this;
  }

  flushHeaders(): void {
    if (this.headersSent) return;
    this.headersSent = true;
    this.add({ status: this.statusCode, headers: Object.fromEntries(this.fields) });
  }

  /** The client went, or the way to it. */
  hungUp(): void {
    this.items = [];
    this.destroy();
  }

  /** Bytes that have not arrived. */
  unsent(): Buffer {
    return Buffer.concat(this.items.flatMap((item) => ("bytes" in item ? [bytesOf(item.bytes)] : [])));
  }

  /**
   * Without the machinery of a stream, as it is all that most steps of a large cluster do. What is on its way has no bound here: that it is written is said at once, so that lines which many watchers
   * share stay what they are. Waiting for each other they would be put together, for each watcher by itself, and V8 collects all garbage for each 64 MB of buffers.
   */
  override write(chunk: Buffer | string, ...rest: readonly unknown[]): boolean {
    const [written, ...more] = rest;
    const isKnown = more.length === 0 && (written === undefined || typeof written === "function");
    if (this.destroyed || this.writableEnded || !isKnown) return super.write(...([chunk, ...rest] as Parameters<Writable["write"]>));
    this.flushHeaders();
    this.add({ bytes: chunk });
    if (written !== undefined) this.tell(written as () => void);
    return true;
  }

  /** Whoever writes more when he hears of it hears of that in the next tick: there may be thousands of lines. */
  private tell(written: () => void): void {
    if (this.telling) process.nextTick(written);
    else {
      this.telling = true;
      written();
      this.telling = false;
    }
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.flushHeaders();
    this.add({ bytes: chunk });
    done();
  }

  override _final(done: () => void): void {
    this.flushHeaders();
    this.add({ end: "whole" });
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished) this.add({ end: "cut" });
    done(error);
  }

  private add(item: Item): void {
    this.items.push(item);
    if (this.scheduled) return;
    this.scheduled = true;
    this.connection.send("back", () => {
      this.scheduled = false;
      const items = this.items;
      this.items = [];
      this.deliver(items);
    });
  }
}

/** A text is kept as one until it arrives: what a list is made of is shared, its bytes are everybody's own. */
const bytesOf = (chunk: Buffer | string): Buffer => (typeof chunk === "string" ? Buffer.from(chunk) : chunk);

/** The client's side of an answer. Whoever reads it to the end, as nearly all do, gets the bytes without the machinery of a stream. */
class SimBody extends Readable {
  private readonly arrived: (Buffer | string)[] = [];
  private ended = false;
  private isStream = false;
  private failure: Error | undefined;
  private wake: (() => void) | undefined;
  private readonly closedHere: () => void;

  constructor(closedHere: () => void) {
    super();
    this.closedHere = closedHere;
    // Whoever reads hears of it; nobody else needs to.
    this.on("error", () => {});
  }

  /** Bytes, or the end. */
  arrive(chunk: Buffer | string | null): void {
    if (chunk === null) this.ended = true;
    else this.arrived.push(chunk);
    if (this.isStream) this._read();
    else this.wakeReader();
  }

  /** Ends, behind all that arrived. */
  breakOff(error: Error): void {
    const arrived = this.arrived.slice();
    this.destroy(error);
    this.arrived.push(...arrived);
  }

  override _read(): void {
    this.isStream = true;
    for (const chunk of this.arrived.splice(0)) this.push(bytesOf(chunk));
    if (this.ended) this.push(null);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.arrived.length = 0;
    this.failure = error ?? undefined;
    this.ended = true;
    this.closedHere();
    done(error);
    this.wakeReader();
  }

  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<Buffer> {
    if (this.isStream) return super[Symbol.asyncIterator]() as NodeJS.AsyncIterator<Buffer>;
    const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
      for (;;) {
        const chunk = this.arrived.shift();
        if (chunk !== undefined) return { value: bytesOf(chunk), done: false };
        if (this.failure !== undefined) throw this.failure;
        if (this.ended) return { value: undefined, done: true };
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    };
    return {
      next,
      return: () => {
        this.destroy();
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(void this.destroy()),
    };
  }

  private wakeReader(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
