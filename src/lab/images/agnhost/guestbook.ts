import { createServer, get } from "node:http";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { deadline } from "#lib/runtime/deadline.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { readFlags } from "./flags.ts";

const requestTimeout = seconds(5);
const [registerTimeout, registerInterval] = [seconds(15), seconds(1)];

/** A test's entries and replicas; whoever wants to store more is mistaken. */
const [maxEntries, maxReplicas] = [10_000, 100];

/**
 * `guestbook [--http-port=80] [--backend-port=6379] [--replicaof=HOST]`: the example of three tiers. The front tier (`/guestbook`) asks `agnhost-primary` to set and
 * `agnhost-replica` to get; a replica registers at its primary, which passes every entry on to it.
 */
export async function guestbook(args: readonly string[], print: (line: string) => void): Promise<number> {
  const flags = readFlags(args, ["http-port", "backend-port", "replicaof"]);
  const port = flags.number("http-port", 80);
  const backendPort = flags.number("backend-port", 6_379);
  const primary = flags.text("replicaof", "");
  const entries = new Map<string, string>();
  const replicas = new Set<string>();
  const data = (): object => ({ data: Object.fromEntries(entries) });

  const answers: Readonly<Record<string, (query: URLSearchParams) => object | Promise<object>>> = {
    "/register"(query) {
      if (replicas.size < maxReplicas) replicas.add(query.get("host") ?? "");
      return data();
    },
    "/get": (query) => (query.get("key") ? { data: entries.get(query.get("key") ?? "") ?? "" } : data()),
    async "/set"(query) {
      const key = query.get("key");
      if (!key) throw new Error("cannot set with empty key.");
      if (entries.size < maxEntries) entries.set(key, query.get("value") ?? "");
      for (const replica of replicas) await ask(replica, backendPort, `/set?${query}`);
      return { message: "Updated" };
    },
    async "/guestbook"(query) {
      const command = (query.get("cmd") ?? "").toLowerCase();
      if (command !== "get" && command !== "set") throw new Error(`unsupported cmd: '${command}'`);
      const asked = new URLSearchParams({ key: query.get("key") ?? "", value: query.get("value") ?? "" });
      return JSON.parse(
        await ask(command === "get" ? "agnhost-replica" : "agnhost-primary", backendPort, `/${command}?${asked}`),
      ) as object;
    },
  };
  const server = createServer((request, response) => {
    request.resume();
    const { pathname, searchParams } = new URL(request.url?.replace(/^\/+/, "/") ?? "/", "http://guestbook");
    print(`GET ${pathname}?${searchParams}`);
    const answer = Object.hasOwn(answers, pathname) ? answers[pathname] : undefined;
    if (answer === undefined) return void response.writeHead(404).end("404 page not found\n");
    Promise.resolve()
      .then(() => answer(searchParams))
      .then(
        (value) => response.end(JSON.stringify(value)),
        (error: unknown) => response.writeHead(417).end(`encountered error: ${error instanceof Error ? error.message : String(error)}\n`),
      );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
  return primary === "" ? new Promise(() => {}) : registerAt();

  async function registerAt(): Promise<number> {
    for (const end = Date.now() + registerTimeout; Date.now() < end; await pause(registerInterval))
      try {
        const own = await ownAddress(primary, backendPort);
        const known = JSON.parse(await ask(primary, backendPort, `/register?${new URLSearchParams({ host: own })}`)) as {
          data?: Record<string, string>;
        };
        for (const [key, value] of Object.entries(known.data ?? {})) entries.set(key, value);
        print(`Registered to node: ${primary}`);
        return await new Promise<never>(() => {});
      } catch (error) {
        print(`not registered at ${primary} yet: ${error instanceof Error ? error.message : String(error)}`);
      }
    print("Timed out while registering to primary.");
    return 1;
  }
}

function ask(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get({ host, port, path, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.once("error", reject);
      answer.once("end", () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(text.trim()))));
    });
    const waiting = deadline(requestTimeout, () => asked.destroy(new Error(`${host}: no answer in time`)));
    asked.once("close", () => waiting.cancel());
    asked.once("error", reject);
  });
}

/** The address that `host` sees of us. */
function ownAddress(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => {
      resolve((socket.localAddress ?? "").replace(/^::ffff:/, ""));
      socket.destroy();
    });
    socket.setTimeout(requestTimeout, () => socket.destroy(new Error(`${host}: no connection in time`)));
    socket.once("error", reject);
  });
}
