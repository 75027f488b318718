import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { errorCode } from "#lib/runtime/errors.ts";
import { readFlags } from "./flags.ts";

/** `test-webserver [--port=80]`: the container's own files by HTTP, as probes of DNS leave their results in files. */
export async function testWebserver(args: readonly string[], print: (line: string) => void): Promise<never> {
  const port = readFlags(args, ["port"]).number("port", 80);
  const server = createServer((request, response) => {
    request.resume();
    const path = URL.canParse(request.url ?? "/", "http://server") ? new URL(request.url ?? "/", "http://server").pathname : "/";
    const send = (status: number, content: Uint8Array | string): void => void response.writeHead(status).end(content);
    if (path === "/") return send(200, "");
    // The URL parser has taken every `..` out; a percent-encoded one names a file with percent signs.
    readFile(path).then(
      (content) => send(200, content),
      (error: unknown) => send(errorCode(error) === "ENOENT" ? 404 : 403, "404 page not found\n"),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
  print(`Serving files on port ${port}`);
  return new Promise(() => {});
}
