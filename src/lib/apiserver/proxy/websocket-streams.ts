import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { seconds } from "#lib/runtime/duration.ts";
import { serviceUnavailable } from "../errors.ts";
import { type Backend, connectionOptions } from "./forward.ts";
import { connectSpdy, type SpdyStream } from "./spdy.ts";

/** Sub-protocols of WebSocket that runtimes (containerd 1.6) don't speak, and that are spoken here with clients instead. */
export const streamProtocol = "v5.channel.k8s.io";
export const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";

/** Whether the client asks for that sub-protocol of WebSocket, perhaps beside others. */
export const translated = (request: IncomingMessage, protocol: string): boolean => offered(request)?.includes(protocol) ?? false;

/** The sub-protocols of WebSocket that a client speaks, the one it likes best first; undefined for a request that is for no WebSocket. */
export function offered({ headers }: IncomingMessage): readonly string[] | undefined {
  if (headers.upgrade?.toLowerCase() !== "websocket") return undefined;
  return (headers["sec-websocket-protocol"] ?? "").split(",").flatMap((text) => (text.trim() === "" ? [] : [text.trim()]));
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly client: { readonly socket: Duplex; readonly head: Buffer };
  readonly backend: Backend;
  /** Path and query to ask the kubelet for. */
  readonly path: string;
  /** Looks at a refusal of the kubelet's; throws what the client is told. */
  readonly refused: (answer: IncomingMessage) => Promise<void>;
}

/** First byte of a message of {@link streamProtocol}: which stream the rest belongs to. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Most bytes of a message: clients send 32 kB at a time. */
const maxMessage = 4 << 20;
/** Bytes that may wait for a slow client before its runtime has to wait. */
export const maxWaiting = 1 << 20;
/** Time in which a kubelet must accept the connection and answer. */
export const answerTimeout = seconds(30);

/**
 * Exec and attach for clients that speak {@link streamProtocol}: its messages are streams of SPDY to the kubelet. Unlike WebSocket's earlier protocols, this
 * one can end the input alone. Resolves when it is over. Throws what `refused` throws, or ServiceUnavailable.
 */
export async function translateStreams(
  upgrade: Upgrade,
  wanted: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean; readonly tty: boolean },
): Promise<void> {
  const far = await dial(upgrade, "v4.channel.k8s.io");
  const near = await accept(upgrade, streamProtocol, far.socket);
  const connection = connectSpdy(far.socket, far.head);
  const send = (channel: number) => (bytes: Buffer) => sendTo(near, far.socket, Buffer.concat([Buffer.from([channel]), bytes]));
  const open = (streamType: keyof typeof channels, end = (): void => {}): SpdyStream =>
    connection.open({ streamType }, { data: send(channels[streamType]), end });
  // The status of the command comes last, after all of its output.
  open("error", () => near.close(1_000));
  const stdin = wanted.stdin ? open("stdin") : undefined;
  if (wanted.stdout) open("stdout");
  if (wanted.stderr && !wanted.tty) open("stderr");
  const resize = wanted.tty ? open("resize") : undefined;
  near.on("message", (message: Buffer) => {
    const [channel, rest] = [message[0], message.subarray(1)];
    const stream = channel === channels.stdin ? stdin : channel === channels.resize ? resize : undefined;
    if (channel === channels.close) {
      if (rest[0] === channels.stdin) stdin?.end();
    } else if (rest.length > 0 && stream?.write(rest) === false) waitFor(far.socket, near);
  });
  // By an empty message a client knows that it is connected.
  send(wanted.stdout ? channels.stdout : wanted.stderr ? channels.stderr : channels.error)(Buffer.alloc(0));
  await over(near, far.socket);
}

/** Port-forward for clients that speak SPDY within WebSocket messages: the bytes in them are passed on. Resolves and throws as {@link translateStreams}. */
export async function translateTunnel(upgrade: Upgrade): Promise<void> {
  const far = await dial(upgrade, "portforward.k8s.io");
  const near = await accept(upgrade, tunnelProtocol, far.socket);
  const send = (bytes: Buffer): void => sendTo(near, far.socket, bytes);
  if (far.head.length > 0) send(far.head);
  far.socket.on("data", send);
  near.on("message", (message: Buffer) => {
    if (!far.socket.write(message)) waitFor(far.socket, near);
  });
  await over(near, far.socket);
}

function dial({ client, backend, path, refused }: Upgrade, protocol: string): Promise<{ readonly socket: Duplex; readonly head: Buffer }> {
  const { host, port } = backend;
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly socket: Duplex; readonly head: Buffer }>();
  const headers = { connection: "Upgrade", upgrade: "SPDY/3.1", "x-stream-protocol-version": protocol };
  const outgoing = httpsRequest({ ...connectionOptions(backend), method: "POST", path, headers });
  const gone = (): void => void outgoing.destroy(new Error("the client is gone"));
  client.socket.once("close", gone);
  outgoing.setTimeout(answerTimeout, () => outgoing.destroy(new Error(`no answer within ${answerTimeout / 1_000} s`)));
  outgoing.once("error", (error) => reject(serviceUnavailable(`error trying to reach service at ${host}:${port}: ${error.message}`)));
  outgoing.once("response", (answer) => {
    refused(answer).then(() => reject(serviceUnavailable(`the kubelet at ${host}:${port} did not switch protocols`)), reject);
  });
  outgoing.once("upgrade", (_, socket, head) => {
    outgoing.setTimeout(0);
    client.socket.removeListener("close", gone);
    socket.on("error", () => socket.destroy());
    resolve({ socket, head });
  });
  outgoing.end();
  return promise;
}

/** The client's side; "" is a connection without a sub-protocol. A handshake that is none ends `far` too. */
export function accept(
  { request, client }: Pick<Upgrade, "request" | "client">,
  protocol: string,
  far: { destroy(): unknown },
): Promise<WebSocket> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessage,
  });
  // Written here, as the slash in the tunnel's name is none that a header of RFC 6455 may have.
  if (protocol !== "") server.on("headers", (headers) => void headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  delete request.headers["sec-websocket-protocol"];
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  const failed = (): void => {
    far.destroy();
    reject(serviceUnavailable("the client is gone"));
  };
  client.socket.once("close", failed);
  server.handleUpgrade(request, client.socket, client.head, (near) => {
    client.socket.removeListener("close", failed);
    near.on("error", () => near.terminate());
    resolve(near);
  });
  return promise;
}

function sendTo(near: WebSocket, far: Duplex, bytes: Buffer): void {
  if (near.readyState !== near.OPEN) return;
  near.send(bytes, () => {
    if (far.isPaused() && near.bufferedAmount < maxWaiting) far.resume();
  });
  if (near.bufferedAmount > maxWaiting) far.pause();
}

function waitFor(far: Duplex, near: WebSocket): void {
  near.pause();
  far.once("drain", () => near.resume());
}

/** When one end has closed, the other does. */
function over(near: WebSocket, far: Duplex): Promise<void> {
  return new Promise((resolve) => {
    near.once("close", () => {
      far.destroy();
      resolve();
    });
    far.once("close", () => near.close(1_000));
  });
}
