import { chmod, mkdir, unlink } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import {
  CniError,
  type CniReply,
  type CniRequest,
  type Decoded,
  decodeRequest,
  encodeMessage,
  errorText,
  implicitVersion,
  largestMessageBytes,
} from "#lib/cni/index.ts";
import { deadline } from "#lib/runtime/deadline.ts";
import { type Duration, errorCode, errorMessage, type Runtime, seconds } from "#lib/runtime/index.ts";
import { SocketInUse } from "./errors.ts";

/** antrea-cni writes its request at once; whoever does not is not antrea-cni. */
const requestTimeout: Duration = seconds(5);
/** Kubelet starts at most a handful of sandboxes at once; a node full of pods after a reboot asks for some hundred. */
const mostConnections = 512;

/** Listens on a Unix socket for the requests of antrea-cni: one connection each (form in `lib/cni/message.ts`). */
export async function listenForCni(options: {
  readonly runtime: Runtime;
  readonly path: string;
  readonly answer: (request: CniRequest) => Promise<CniReply>;
}): Promise<{ close(): Promise<void> }> {
  const { runtime, path, answer } = options;
  await mkdir(dirname(path), { recursive: true });
  await removeStale(path);
  const underWay = new Set<Promise<void>>();
  const server = createServer((socket) => {
    const done = converse(runtime, socket, answer).catch((error: unknown) => {
      runtime.logger.debug("CNI connection ended early", { error: errorMessage(error) });
      socket.destroy();
    });
    underWay.add(done);
    void done.finally(() => underWay.delete(done));
  });
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
  // Whoever may write here can connect anything to the pod network: root alone.
  await chmod(path, 0o600);
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...underWay]);
      await closed;
    },
  };
}

async function converse(runtime: Runtime, socket: Socket, answer: (request: CniRequest) => Promise<CniReply>): Promise<void> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  socket.on("error", broken.reject);
  const line = await Promise.race([readLine(runtime, socket), broken.promise]);
  const request = line.ok ? decodeRequest(line.value) : line;
  const reply: CniReply = request.ok
    ? await answer(request.value)
    : { error: errorText(implicitVersion, new CniError("decodingFailure", `request to the agent: ${request.reason}`)) };
  socket.end(encodeMessage(reply));
}

/** The first line, or what is wrong with it. Rejects when the other side ends before. */
function readLine(runtime: Runtime, socket: Socket): Promise<Decoded<string>> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (line: Decoded<string>): void => {
      timer.cancel();
      socket.off("data", take);
      socket.resume();
      resolve(line);
    };
    const take = (chunk: Buffer): void => {
      const end = chunk.indexOf(0x0a);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      size += chunk.length;
      if (size > largestMessageBytes) finish({ ok: false, reason: `longer than ${largestMessageBytes} bytes` });
      else if (end >= 0) finish({ ok: true, value: Buffer.concat(chunks).toString("utf8") });
    };
    const late = (): void => finish({ ok: false, reason: `not whole after ${requestTimeout / 1_000} s` });
    const timer = deadline(requestTimeout, late, runtime.clock);
    socket.on("data", take);
    socket.once("close", () => {
      timer.cancel();
      reject(new Error("closed before the request was whole"));
    });
  });
}

/** Removes the socket of an agent that is gone. Throws SocketInUse when one answers. */
async function removeStale(path: string): Promise<void> {
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (inUse) throw new SocketInUse(path);
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
