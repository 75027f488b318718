// A Kubernetes API with Nodes (PUT and DELETE change them), any Pod of namespace `shop` that somebody gets by its name, Services, and an
// antrea-controller, whose objects never change, as a process of its own: `node fake-kubernetes.ts PORT < objects.json`.
import { createServer, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

export interface NodeObject {
  metadata: { name: string; resourceVersion?: string; annotations?: Record<string, string | null> };
}

/** What it serves from the start: Nodes, Services with their slices, and by resource what the controller says. */
export interface ServedObjects {
  readonly nodes: readonly NodeObject[];
  readonly services?: readonly object[];
  readonly endpointslices?: readonly object[];
  readonly controlplane?: Readonly<Record<string, readonly object[]>>;
}

const served = JSON.parse(await text(process.stdin)) as ServedObjects;
const { controlplane = {}, services = [], endpointslices = [] } = served;
const nodes = [...served.nodes];
const nodeWatchers = new Set<ServerResponse>();
let revision = 1;
for (const node of nodes) node.metadata.resourceVersion = String(revision++);

createServer((request, response) => {
  void answer(request.method ?? "", request.url ?? "", request, response);
}).listen(Number(process.argv[2]), "127.0.0.1");

async function answer(method: string, path: string, body: NodeJS.ReadableStream, response: ServerResponse): Promise<void> {
  response.setHeader("content-type", "application/json");
  const reply = (value: unknown): void => void response.end(JSON.stringify(value));
  const event = (watcher: ServerResponse, type: string, object: unknown): void =>
    void watcher.write(`${JSON.stringify({ type, object })}\n`);
  const name = /^\/api\/v1\/nodes\/([^/?]+)/.exec(path)?.[1];
  const node = nodes.find(({ metadata }) => metadata.name === name);
  if (method === "PATCH" && node !== undefined) {
    const patch = JSON.parse(await text(body)) as NodeObject;
    node.metadata.annotations = { ...node.metadata.annotations, ...patch.metadata.annotations };
    node.metadata.resourceVersion = String(revision++);
    for (const watcher of nodeWatchers) event(watcher, "MODIFIED", node);
    return reply(node);
  }
  if (method === "PUT" && name !== undefined) {
    const put = JSON.parse(await text(body)) as NodeObject;
    put.metadata.resourceVersion = String(revision++);
    if (node === undefined) nodes.push(put);
    else nodes[nodes.indexOf(node)] = put;
    for (const watcher of nodeWatchers) event(watcher, node === undefined ? "ADDED" : "MODIFIED", put);
    return reply(put);
  }
  if (method === "DELETE" && node !== undefined) {
    nodes.splice(nodes.indexOf(node), 1);
    for (const watcher of nodeWatchers) event(watcher, "DELETED", node);
    return reply(node);
  }
  if (node !== undefined) return reply(node);
  const pod = /^\/api\/v1\/namespaces\/shop\/pods\/([^/?]+)/.exec(path)?.[1];
  if (method === "GET" && pod !== undefined)
    return reply({ apiVersion: "v1", kind: "Pod", metadata: { namespace: "shop", name: pod, uid: pod, resourceVersion: "1" }, spec: {} });
  const collection =
    /^(?:\/api\/v1\/(nodes|pods|services)|\/apis\/(?:controlplane\.antrea\.io\/v1beta2\/(\w+)|discovery\.k8s\.io\/v1\/(endpointslices)))(?:\?|$)/.exec(
      path,
    );
  if (method !== "GET" || collection === null) {
    response.writeHead(404);
    return reply({ kind: "Status", apiVersion: "v1", status: "Failure", code: 404, reason: "NotFound", message: `no ${path}` });
  }
  if (!path.includes("watch=true"))
    return reply({ metadata: { resourceVersion: String(revision) }, items: itemsOf(collection[1] ?? collection[3]) });
  response.flushHeaders();
  if (collection[2] !== undefined) {
    for (const object of controlplane[collection[2]] ?? []) event(response, "ADDED", object);
    event(response, "BOOKMARK", { metadata: {} });
  }
  if (collection[1] === "nodes") nodeWatchers.add(response);
  response.on("close", () => nodeWatchers.delete(response));
}

function itemsOf(resource: string | undefined): readonly object[] {
  if (resource === "nodes") return nodes;
  return resource === "services" ? services : resource === "endpointslices" ? endpointslices : [];
}
