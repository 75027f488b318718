/**
 * One message to a Unix socket and everything that comes back until the other side closes. Starting is most of what antrea-cni does, and a module
 * of Node's costs milliseconds under Bun, which it is compiled with: there the socket is Bun's own.
 */
export interface Exchange {
  readonly path: string;
  readonly message: string;
  /** An answer that grows larger fails. */
  readonly maxAnswerBytes: number;
  readonly timeoutMs: number;
}

/** Why there is no answer. */
export type ExchangeFailure =
  | { readonly kind: "unreachable" | "broken"; readonly reason: string }
  | { readonly kind: "too-long" | "timeout" };

export type ExchangeResult = { readonly answer: string } | { readonly failure: ExchangeFailure };

export function exchange(request: Exchange): Promise<ExchangeResult> {
  const bun = (globalThis as { readonly Bun?: Bun }).Bun;
  return bun === undefined ? overNode(request) : overBun(bun, request);
}

async function overNode({ path, message, maxAnswerBytes, timeoutMs }: Exchange): Promise<ExchangeResult> {
  const { connect } = await import("node:net");
  return new Promise((resolve) => {
    const socket = connect(path);
    let answer = "";
    let connected = false;
    const fail = (failure: ExchangeFailure): void => {
      socket.destroy();
      resolve({ failure });
    };
    socket.setEncoding("utf8");
    socket.setTimeout(timeoutMs, () => fail({ kind: "timeout" }));
    socket.on("connect", () => {
      connected = true;
      socket.write(message);
    });
    socket.on("data", (chunk: string) => {
      answer += chunk;
      if (answer.length > maxAnswerBytes) fail({ kind: "too-long" });
    });
    socket.on("error", (error) => fail({ kind: connected ? "broken" : "unreachable", reason: error.message }));
    socket.on("end", () => resolve({ answer }));
  });
}

/** What is used of Bun (bun.sh/docs/api/tcp). */
interface Bun {
  connect(options: {
    readonly unix: string;
    readonly socket: {
      open(socket: BunSocket): void;
      data(socket: BunSocket, chunk: Uint8Array): void;
      drain(socket: BunSocket): void;
      end(socket: BunSocket): void;
      close(socket: BunSocket): void;
      error(socket: BunSocket, error: Error): void;
      connectError(socket: BunSocket, error: Error): void;
    };
  }): Promise<unknown>;
}

interface BunSocket {
  /** Returns how many bytes were taken. */
  write(data: Uint8Array): number;
  end(): void;
}

function overBun(bun: Bun, { path, message, maxAnswerBytes, timeoutMs }: Exchange): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const decoder = new TextDecoder();
    let unsent = new TextEncoder().encode(message);
    let answer = "";
    const timer = setTimeout(() => finish({ failure: { kind: "timeout" } }), timeoutMs);
    const finish = (result: ExchangeResult): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const send = (socket: BunSocket): void => {
      unsent = unsent.subarray(socket.write(unsent));
    };
    const ended = (): void => finish({ answer: answer + decoder.decode() });
    bun
      .connect({
        unix: path,
        socket: {
          open: send,
          drain: (socket) => {
            if (unsent.length > 0) send(socket);
          },
          data(socket, chunk) {
            answer += decoder.decode(chunk, { stream: true });
            if (answer.length <= maxAnswerBytes) return;
            socket.end();
            finish({ failure: { kind: "too-long" } });
          },
          end: ended,
          close: ended,
          error: (_socket, error) => finish({ failure: { kind: "broken", reason: error.message } }),
          connectError: (_socket, error) => finish({ failure: { kind: "unreachable", reason: reasonOf(error) } }),
        },
      })
      .catch((error: unknown) => finish({ failure: { kind: "unreachable", reason: reasonOf(error) } }));
  });
}

/** Bun's messages leave the errno to `code`. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return [code, message].filter((part) => typeof part === "string").join(": ") || String(error);
}
