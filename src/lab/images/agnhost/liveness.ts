import { createServer, type ServerResponse } from "node:http";
import { formatDuration, seconds } from "#lib/runtime/duration.ts";

/** How long it is alive, and the port, which the image does not let anybody choose. */
const alive = seconds(10);
const port = 8_080;

/** `liveness`: a server that says it is well for ten seconds, and then no longer, so that a probe has something to find. */
export async function liveness(print: (line: string) => void): Promise<never> {
  const started = performance.now();
  const server = createServer((request, response) => {
    request.resume();
    const { pathname, searchParams } = new URL(
      URL.canParse(request.url ?? "/", "http://server") ? (request.url ?? "/") : "/",
      "http://server",
    );
    const age = performance.now() - started;
    if (pathname === "/started") return end(response, 200, formatDuration(age));
    if (pathname === "/healthz") return age <= alive ? end(response, 200, "ok") : end(response, 500, `error: ${age / seconds(1)}`);
    if (pathname === "/redirect") return void response.writeHead(302, { location: searchParams.get("loc") ?? "/" }).end();
    return end(response, 404, "404 page not found\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
  print(`Alive on port ${port} for ${formatDuration(alive)}`);
  return new Promise(() => {});
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(text) }).end(text);
}
