import { chmodSync, rmSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { AgentOptions } from "./agent-options.ts";
import { LabNotRunning } from "./errors.ts";

/** What `antctl lab` asks a running lab, as JSON over HTTP on its control socket: only root may connect. */
export interface ControlRequest {
  readonly action:
    | "status"
    | "down"
    | "node-start"
    | "node-stop"
    | "node-partition"
    | "node-heal"
    | "controller-partition"
    | "controller-heal"
    | "agent-config"
    | "image-load";
  readonly node?: string;
  readonly controller?: string;
  readonly archive?: string;
  /** What the agents are configured with beyond what the lab needs. */
  readonly options?: AgentOptions;
}

/** Largest request: a configuration of the agents. */
const maxRequestBytes = 256 * 1024;

export function serveControl(options: {
  readonly socket: string;
  readonly handle: (request: ControlRequest) => Promise<unknown>;
}): Promise<Server> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    let length = 0;
    incoming.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxRequestBytes) incoming.destroy();
      else chunks.push(chunk);
    });
    incoming.on("error", () => {});
    incoming.on("end", () => {
      const answer = (status: number, body: unknown): void =>
        void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      Promise.resolve()
        .then(() => options.handle(JSON.parse(Buffer.concat(chunks).toString("utf8")) as ControlRequest))
        .then((result) => answer(200, result ?? {}))
        .catch((error: unknown) => answer(400, { error: errorMessage(error) }));
    });
  });
  rmSync(options.socket, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.socket, () => {
      chmodSync(options.socket, 0o600);
      resolve(server);
    });
  });
}

/** Asks the lab behind `socket`. Throws {@link LabNotRunning} when nobody listens, and what the lab says when it refuses. */
export function askControl({
  socket,
  lab,
  ask,
}: {
  readonly socket: string;
  readonly lab: string;
  readonly ask: ControlRequest;
}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: socket, method: "POST", path: "/", headers: { "content-type": "application/json" } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { error?: string };
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(body.error ?? `answer ${response.statusCode}`));
        });
      },
    );
    outgoing.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" || error.code === "ECONNREFUSED" ? new LabNotRunning(lab) : error),
    );
    outgoing.end(JSON.stringify(ask));
  });
}
