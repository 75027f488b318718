import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { WebSocket } from "ws";
import { badRequest, serviceUnavailable } from "../errors.ts";
import { connectionOptions } from "./forward.ts";
import { accept, answerTimeout, maxWaiting, offered, type Upgrade } from "./websocket-streams.ts";

/** What a message holds: the log's bytes, or a text that is their base64. A client that names no sub-protocol gets bytes. */
const forms: Readonly<Record<string, (bytes: Buffer) => Buffer | string>> = {
  "": (bytes) => bytes,
  "binary.k8s.io": (bytes) => bytes,
  "base64.binary.k8s.io": (bytes) => bytes.toString("base64"),
};

/**
 * A log for a client that asks by WebSocket, as programs in browsers do: the kubelet is asked as always, and what comes of its answer is a message. What
 * the client sends is not read. Resolves when log or client have ended. Throws what `refused` throws, BadRequest, or ServiceUnavailable.
 */
export async function sendLog(upgrade: Upgrade): Promise<void> {
  const spoken = offered(upgrade.request);
  if (spoken === undefined) throw badRequest("a log is sent as it is, or by WebSocket");
  const protocol = spoken.length === 0 ? "" : spoken.find((one) => Object.hasOwn(forms, one));
  const form = protocol === undefined ? undefined : forms[protocol];
  if (protocol === undefined || form === undefined)
    throw badRequest(`a log is sent by ${Object.keys(forms).filter(Boolean).join(" or ")}, and not by ${spoken.join(", ").slice(0, 200)}`);
  const log = await ask(upgrade);
  await upgrade.refused(log);
  const near = await accept(upgrade, protocol, log);
  near.on("message", () => {});
  log.on("data", (bytes: Buffer) => send(near, log, form(bytes)));
  log.once("end", () => near.close(1_000));
  log.once("error", () => near.close(1_011));
  await new Promise<void>((resolve) => near.once("close", () => resolve()));
  log.destroy();
}

function send(near: WebSocket, log: IncomingMessage, message: Buffer | string): void {
  if (near.readyState !== near.OPEN) return;
  near.send(message, () => {
    if (log.isPaused() && near.bufferedAmount < maxWaiting) log.resume();
  });
  if (near.bufferedAmount > maxWaiting) log.pause();
}

/** The kubelet's answer, of which nothing has been read. */
function ask({ client, backend, path }: Upgrade): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = httpsRequest({ ...connectionOptions(backend), method: "GET", path });
  const gone = (): void => void outgoing.destroy(new Error("the client is gone"));
  client.socket.once("close", gone);
  outgoing.setTimeout(answerTimeout, () => outgoing.destroy(new Error(`no answer within ${answerTimeout / 1_000} s`)));
  outgoing.once("error", (error) =>
    reject(serviceUnavailable(`error trying to reach service at ${backend.host}:${backend.port}: ${error.message}`)),
  );
  outgoing.once("response", (answer) => {
    outgoing.setTimeout(0);
    client.socket.removeListener("close", gone);
    resolve(answer);
  });
  outgoing.end();
  return promise;
}
