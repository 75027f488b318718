import { request as httpsRequest } from "node:https";
import type { TestServer } from "./test-server.ts";

export interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly bytes: Buffer;
  /** The text as JSON. */
  readonly body: Json;
}

/** Whatever a test expects to find; a wrong expectation fails the test. */
export interface Json {
  readonly [field: string]: Json;
}

export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without a client certificate. */
  readonly unknown?: boolean;
}

/** One request as any HTTP client would make it, with the admin's certificate. A body that is text or bytes is sent as it is. */
export function call(server: Pick<TestServer, "port" | "authority" | "admin">, wanted: Call): Promise<Answer> {
  const { method = "GET", path, body, headers = {}, unknown = false } = wanted;
  const text = typeof body === "string" || body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: "127.0.0.1",
      port: server.port,
      agent: false,
      ca: server.authority.certificate,
      ...(unknown ? {} : { cert: server.admin.certificate, key: server.admin.key }),
      method,
      path,
      headers: {
        ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...headers,
      },
    });
    request.once("error", reject);
    request.once("response", (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("error", reject);
      answer.once("end", () => {
        const bytes = Buffer.concat(chunks);
        const received = bytes.toString("utf8");
        const isJson = answer.headers["content-type"]?.startsWith("application/json") ?? false;
        resolve({
          code: answer.statusCode ?? 0,
          headers: answer.headers,
          text: received,
          bytes,
          body: (isJson && received !== "" ? parse(received) : {}) as Json,
        });
      });
    });
    request.end(text);
  });
}

/** The text as JSON; for a stream of JSON lines, the list of them. */
function parse(text: string): unknown {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.length > 1 ? lines.map((line) => JSON.parse(line) as unknown) : JSON.parse(text);
}
