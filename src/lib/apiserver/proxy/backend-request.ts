import { request as httpsRequest } from "node:https";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { serviceUnavailable } from "../errors.ts";
import type { UserInfo } from "../user.ts";
import { type Backend, connectionOptions } from "./forward.ts";

/** Largest document read from a backend: OpenAPI of a large server is 10 MB. */
const documentLimitBytes = 32 * 1024 * 1024;
const documentTimeout: Duration = seconds(5);

/** The headers by which a front proxy says for whom it asks (`X-Remote-User`, …). */
export function remoteUserHeaders({ username, groups, extra = {} }: UserInfo): Readonly<Record<string, string | string[]>> {
  const extras = Object.entries(extra).map(([name, values]) => [`X-Remote-Extra-${encodeURIComponent(name)}`, [...values]]);
  return { "X-Remote-User": username, "X-Remote-Group": [...groups], ...Object.fromEntries(extras) };
}

/** A document of a backend. Throws ServiceUnavailable for anything but a 200. */
export function fetchDocument(backend: Backend, path: string, user: UserInfo): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(serviceUnavailable(`https://${backend.host}:${backend.port}${path}: ${why}`));
    const request = httpsRequest({
      ...connectionOptions(backend),
      path,
      headers: { ...remoteUserHeaders(user), accept: "application/json" },
    });
    request.setTimeout(documentTimeout, () => request.destroy(new Error(`no answer within ${documentTimeout / 1_000} s`)));
    request.once("error", (error) => refuse(error.message));
    request.once("response", (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      answer.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > documentLimitBytes) request.destroy(new Error(`answer larger than ${documentLimitBytes} bytes`));
      });
      answer.once("error", (error) => refuse(error.message));
      answer.once("end", () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks));
        else refuse(`bad status from backend: ${answer.statusCode}`);
      });
    });
    request.end();
  });
}
