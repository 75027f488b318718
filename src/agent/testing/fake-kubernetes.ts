// A Kubernetes API that has Nodes and nothing else, as a process of its own: `node fake-kubernetes.ts PORT < nodes.json`.
import { text } from "node:stream/consumers";
import { createServer, type ServerResponse } from "node:http";

interface NodeObject {
  metadata: { name: string; resourceVersion?: string; annotations?: Record<string, string | null> };
}

const nodes = JSON.parse(await text(process.stdin)) as NodeObject[];
const watchers = new Set<ServerResponse>();
let revision = 1;
for (const node of nodes) node.metadata.resourceVersion = String(revision++);

createServer((request, response) => {
  void answer(request.method ?? "", request.url ?? "", request, response);
}).listen(Number(process.argv[2]), "127.0.0.1");

async function answer(method: string, path: string, body: NodeJS.ReadableStream, response: ServerResponse): Promise<void> {
  response.setHeader("content-type", "application/json");
  const name = /^\/api\/v1\/nodes\/([^/?]+)/.exec(path)?.[1];
  if (method === "PATCH" && name !== undefined) {
    const patch = JSON.parse(await text(body)) as NodeObject;
    const node = nodes.find(({ metadata }) => metadata.name === name);
    if (node === undefined) return void response.writeHead(404).end("{}");
    node.metadata.annotations = { ...node.metadata.annotations, ...patch.metadata.annotations };
    node.metadata.resourceVersion = String(revision++);
    for (const watcher of watchers) watcher.write(`${JSON.stringify({ type: "MODIFIED", object: node })}\n`);
    return void response.end(JSON.stringify(node));
  }
  if (name !== undefined) return void response.end(JSON.stringify(nodes.find(({ metadata }) => metadata.name === name)));
  if (!path.startsWith("/api/v1/nodes"))
    return void response.writeHead(404).end(JSON.stringify({ kind: "Status", status: "Failure", code: 404, reason: "NotFound" }));
  if (!path.includes("watch=true"))
    return void response.end(JSON.stringify({ kind: "NodeList", metadata: { resourceVersion: String(revision) }, items: nodes }));
  response.flushHeaders();
  watchers.add(response);
  response.on("close", () => watchers.delete(response));
}
