import { createConnection, type Socket } from "node:net";
import { deadline } from "#lib/runtime/deadline.ts";
import { errorMessage, type Runtime, seconds, type Timer } from "#lib/runtime/index.ts";
import { OvsdbDisconnected, OvsdbProtocolError, RpcFailed } from "./errors.ts";
import { createJsonStream } from "./json-stream.ts";

/** A silent peer is asked for an echo after this time, and given up after as much again. */
const probeInterval = seconds(5);

/** One JSON-RPC 1.0 connection (RFC 7047 §4) over a Unix socket. Does not come back by itself. */
export interface RpcConnection {
  /** The `result` of the reply. Rejects with RpcFailed when the reply carries an error, OvsdbDisconnected when none comes. */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
  /** Resolves with the reason when the connection is over. */
  readonly closed: Promise<Error>;
  close(): void;
}

export interface RpcOptions {
  readonly runtime: Pick<Runtime, "clock">;
  readonly path: string;
  readonly onNotification?: (method: string, params: readonly unknown[]) => void;
  /** Whether to probe an idle peer; off for peers that do not know `echo` (ovs-appctl's targets). */
  readonly probe: boolean;
}

export function connectRpc(options: RpcOptions): Promise<RpcConnection> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: options.path });
    const refused = (error: Error): void => reject(new OvsdbDisconnected(options.path, error.message));
    socket.once("error", refused);
    socket.once("connect", () => {
      socket.off("error", refused);
      resolve(speak(socket, options));
    });
  });
}

function speak(socket: Socket, { runtime, path, onNotification, probe }: RpcOptions): RpcConnection {
  const stream = createJsonStream({ where: path });
  const waiting = new Map<number, { readonly method: string; resolve(result: unknown): void; reject(error: Error): void }>();
  const { promise: closed, resolve: tellClosed } = Promise.withResolvers<Error>();
  let nextId = 1;
  let over: Error | undefined;
  let heardAt = runtime.clock.monotonic();
  let probed = false;
  let timer: Timer | undefined;

  const end = (reason: Error): void => {
    if (over !== undefined) return;
    over = reason;
    timer?.cancel();
    socket.destroy();
    for (const call of waiting.values()) call.reject(reason);
    waiting.clear();
    tellClosed(reason);
  };
  const send = (message: unknown): void => void socket.write(JSON.stringify(message));
  const call = (method: string, params: readonly unknown[]): Promise<unknown> => {
    if (over !== undefined) return Promise.reject(over);
    const id = nextId++;
    return new Promise((resolve, reject) => {
      waiting.set(id, { method, resolve, reject });
      send({ method, params, id });
    });
  };
  const receive = (message: unknown): void => {
    const { id, method, params, result, error } = message as Record<string, unknown>;
    if (typeof method === "string") {
      if (!Array.isArray(params)) throw new OvsdbProtocolError(path, `${method} without params`);
      if (id === null || id === undefined) onNotification?.(method, params);
      else if (method === "echo") send({ id, result: params, error: null });
      else send({ id, result: null, error: "unknown method" });
      return;
    }
    const open = typeof id === "number" ? waiting.get(id) : undefined;
    if (open === undefined) throw new OvsdbProtocolError(path, `a reply to nothing: id ${JSON.stringify(id)}`);
    waiting.delete(id as number);
    if (error !== null && error !== undefined) open.reject(new RpcFailed(path, open.method, error));
    else open.resolve(result);
  };
  const watch = (): void => {
    timer = deadline(
      probeInterval,
      () => {
        const silent = runtime.clock.monotonic() - heardAt;
        if (silent >= probeInterval) {
          if (probed) return end(new OvsdbDisconnected(path, `no answer for ${Math.round(silent / 1_000)} s`));
          probed = true;
          call("echo", []).catch(() => {});
        }
        watch();
      },
      runtime.clock,
      { background: true },
    );
  };

  socket.on("data", (chunk: Buffer) => {
    heardAt = runtime.clock.monotonic();
    probed = false;
    try {
      for (const message of stream.push(chunk)) if (over === undefined) receive(message);
    } catch (error) {
      end(error instanceof Error ? error : new OvsdbProtocolError(path, errorMessage(error)));
    }
  });
  socket.on("error", (error) => end(new OvsdbDisconnected(path, error.message)));
  socket.on("close", () => end(new OvsdbDisconnected(path, "closed by the other side")));
  if (probe) watch();
  return { call, closed, close: () => end(new OvsdbDisconnected(path, "closed here")) };
}
