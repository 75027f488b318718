import { createServer, type IncomingMessage } from "node:http";
import { hostname } from "node:os";
import { readFlags } from "./flags.ts";

/** A note says who calls. */
const maxNoteBytes = 4_096;
/** Callers are told apart by the names they give. */
const maxCallers = 1_000;

/** `nettest [--port=8080]`: takes notes from whoever leaves one (`/write`) and tells how many it has of whom (`/read`). It calls on nobody itself. */
export async function nettest(args: readonly string[], print: (line: string) => void): Promise<never> {
  const port = readFlags(args, ["port"]).number("port", 8_080);
  const received = new Map<string, number>();
  const server = createServer((request, response) => {
    const state = (): object => ({ Hostname: hostname(), Sent: {}, Received: Object.fromEntries(received), Errors: [], Log: [] });
    if (request.url === "/write")
      return void caller(request).then(
        (name) => {
          if (received.size < maxCallers) received.set(name, (received.get(name) ?? 0) + 1);
          response.end(JSON.stringify({ Hostname: hostname() }));
        },
        (error: unknown) => response.writeHead(400).end(`${error instanceof Error ? error.message : String(error)}\n`),
      );
    request.resume();
    if (request.url === "/read") return void response.end(JSON.stringify(state()));
    if (request.url === "/status") return void response.end("running");
    return void response.writeHead(404).end("404 page not found\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "::", resolve);
  });
  const address = server.address();
  print(`Taking notes on port ${typeof address === "object" ? (address?.port ?? port) : port}`);
  return new Promise(() => {});
}

/** The `Source` of a note. */
async function caller(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) {
    text += chunk;
    if (text.length > maxNoteBytes) throw new Error("the note is too long");
  }
  const { Source: source } = JSON.parse(text) as { readonly Source?: unknown };
  if (typeof source !== "string") throw new Error("Source: is missing");
  return source;
}
