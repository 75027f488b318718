import { errorMessage, type Runtime, retryUntilDone, seconds } from "#lib/runtime/index.ts";
import type { OvsdbClient, Replica, Selection } from "./client.ts";
import type { Database } from "./declaration.ts";
import { OvsdbDisconnected, OvsdbProtocolError, RpcFailed, SchemaMismatch, TransactionFailed } from "./errors.ts";
import type { Operation, OperationResult } from "./operations.ts";
import { createReplica, type ReplicaFeed, type UpdateForm } from "./replica.ts";
import { connectRpc, type RpcConnection } from "./rpc.ts";
import { schemaMismatch } from "./schema.ts";
import { decodeResults, encodeOperations } from "./transaction.ts";

/** ovsdb-server restarts in well under a second; waiting longer between tries would only prolong the outage. */
const longestWait = seconds(2);

interface Following {
  readonly id: number;
  readonly selection: Readonly<Record<string, readonly string[]>>;
  readonly feed: ReplicaFeed;
  /** Updates that came before the reply which they build on. */
  early: [UpdateForm, unknown][] | undefined;
}

/**
 * Connects to `database` on the Unix socket `path` and stays connected: after a loss it comes back by backoff and brings every replica up to date.
 * Resolves once connected for the first time, however long that takes; rejects when `signal` aborts, or with SchemaMismatch.
 */
export async function connectOvsdb<D extends Database>(options: {
  readonly runtime: Runtime;
  readonly path: string;
  readonly database: D;
  readonly signal?: AbortSignal;
}): Promise<OvsdbClient<D>> {
  const { runtime, path, database } = options;
  const logger = runtime.logger.with({ ovsdb: path });
  const stopping = new AbortController();
  const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([options.signal, stopping.signal]);
  const followings = new Map<number, Following>();
  const listeners = new Set<(connected: boolean) => void>();
  let rpc: RpcConnection | undefined;
  let lastMonitor = 0;

  const onNotification = (method: string, params: readonly unknown[]): void => {
    if (method !== "update" && method !== "update2") return;
    const following = followings.get(Number(params[0]));
    if (following === undefined) return;
    if (following.early !== undefined) following.early.push([method, params[1]]);
    else accept(following.feed.apply(method, params[1]));
  };
  const accept = (failure: string | undefined): void => {
    if (failure !== undefined) throw new OvsdbProtocolError(path, failure);
  };
  const follow = async (connection: RpcConnection, following: Following): Promise<void> => {
    following.early = [];
    const requests = Object.fromEntries(Object.entries(following.selection).map(([table, columns]) => [table, { columns }] as const));
    const inArrays = Object.fromEntries(Object.entries(requests).map(([table, request]) => [table, [request]]));
    const [form, content] = await connection
      .call("monitor_cond", [database.name, following.id, inArrays])
      .then((reply) => ["update2", reply] as const)
      .catch(async (error: unknown) => {
        if (!(error instanceof RpcFailed) || error.reply !== "unknown method") throw error;
        return ["update", await connection.call("monitor", [database.name, following.id, requests])] as const;
      });
    accept(following.feed.reset(form, content));
    const early = following.early;
    following.early = undefined;
    for (const [earlyForm, update] of early) accept(following.feed.apply(earlyForm, update));
  };
  const open = async (): Promise<RpcConnection> => {
    const connection = await connectRpc({ runtime, path, onNotification, probe: true });
    try {
      const mismatch = schemaMismatch(database, await connection.call("get_schema", [database.name]));
      if (mismatch !== undefined) throw new SchemaMismatch(database.name, mismatch);
      await Promise.all([...followings.values()].map((following) => follow(connection, following)));
      signal.throwIfAborted();
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  };
  const announce = (connected: boolean): void => {
    for (const listener of [...listeners]) listener(connected);
  };
  const establish = async (mayGiveUp: boolean): Promise<void> => {
    const outcome = await retryUntilDone(
      runtime,
      () =>
        open().catch((error: unknown) => {
          if (mayGiveUp && error instanceof SchemaMismatch) return error;
          throw error;
        }),
      {
        limit: longestWait,
        signal,
        onFailure: (error, wait) => logger.warn("no OVSDB, trying again", { error: errorMessage(error), waitMs: Math.round(wait) }),
      },
    );
    if (outcome instanceof SchemaMismatch) throw outcome;
    rpc = outcome;
    announce(true);
    outcome.closed
      .then(async (reason) => {
        rpc = undefined;
        announce(false);
        if (signal.aborted) return;
        logger.warn("OVSDB lost", { error: reason.message });
        await establish(false);
      })
      .catch((error: unknown) => {
        if (!signal.aborted) logger.error("OVSDB given up", { error: errorMessage(error) });
      });
  };
  const transactWire = async (wire: readonly unknown[]): Promise<unknown> => {
    if (rpc === undefined) throw new OvsdbDisconnected(path, "not connected");
    return rpc.call("transact", [database.name, ...wire]);
  };
  const batch = createBatch(database, transactWire);

  signal.addEventListener(
    "abort",
    () => {
      rpc?.close();
      for (const { feed } of followings.values()) feed.abandon(new OvsdbDisconnected(path, "closed here"));
    },
    { once: true },
  );
  await establish(true);

  return {
    get connected() {
      return rpc !== undefined;
    },
    onConnection(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    monitor<const S extends Selection<D>>(selection: S): Replica<D, S> {
      const { replica, feed } = createReplica(database, selection);
      const columns = Object.fromEntries(Object.entries(selection).map(([table, names]) => [table, names ?? []]));
      const following: Following = { id: ++lastMonitor, selection: columns, feed, early: undefined };
      followings.set(following.id, following);
      const connection = rpc;
      if (connection !== undefined) {
        follow(connection, following).catch((error: unknown) => {
          logger.warn("cannot follow OVSDB, connecting anew", { error: errorMessage(error) });
          connection.close();
        });
      }
      return replica;
    },
    async transact(operations) {
      return decodeResults(database, operations, await transactWire(encodeOperations(database, operations)));
    },
    batch,
    close: () => stopping.abort(new OvsdbDisconnected(path, "closed here")),
  };
}

interface Waiting<D extends Database> {
  readonly operations: readonly Operation<D>[];
  resolve(results: readonly OperationResult[]): void;
  reject(error: unknown): void;
}

/** Joins what comes while a transaction is under way into the next one. */
function createBatch<D extends Database>(
  database: D,
  transactWire: (wire: readonly unknown[]) => Promise<unknown>,
): OvsdbClient<D>["batch"] {
  let queue: Waiting<D>[] = [];
  let running = false;

  const together = async (callers: readonly Waiting<D>[]): Promise<void> => {
    const wire = callers.flatMap(({ operations }, index) => encodeOperations(database, operations, (name) => `c${index}_${name}`));
    const all = callers.flatMap(({ operations }) => operations);
    try {
      const results = decodeResults(database, all, await transactWire(wire));
      let offset = 0;
      for (const { operations, resolve } of callers) {
        resolve(results.slice(offset, offset + operations.length));
        offset += operations.length;
      }
    } catch (error) {
      if (error instanceof TransactionFailed && callers.length > 1) for (const caller of callers) await together([caller]);
      else for (const { reject } of callers) reject(error);
    }
  };
  const run = async (): Promise<void> => {
    running = true;
    while (queue.length > 0) {
      const callers = queue;
      queue = [];
      await together(callers);
    }
    running = false;
  };

  return (operations) =>
    new Promise((resolve, reject) => {
      try {
        encodeOperations(database, operations);
      } catch (error) {
        return reject(error);
      }
      queue.push({ operations, resolve, reject });
      if (!running) void run();
    });
}
