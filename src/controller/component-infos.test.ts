import assert from "node:assert/strict";
import { test } from "node:test";
import { type AgentInfo, agentInfos, controllerInfos } from "#core/api/component-info.ts";
import { KubeApiError, type KubeClient, type KubeObject, type Node, type Resource } from "#lib/kube/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { keepComponentInfos } from "./component-infos.ts";

/** An API that keeps objects by resource and name. */
function memoryApi() {
  const objects = new Map<string, KubeObject>();
  const keyOf = (resource: { readonly plural: string }, name = ""): string => `${resource.plural}/${name}`;
  const missing = (key: string): never => {
    throw new KubeApiError(`no ${key}`, 404, { code: 404, reason: "NotFound", message: `no ${key}` } as never);
  };
  const client = {
    list: async (resource: Resource<AgentInfo>) => ({
      items: [...objects].filter(([key]) => key.startsWith(`${resource.plural}/`)).map(([, object]) => object),
    }),
    create: async (resource: Resource<KubeObject>, object: KubeObject) => void objects.set(keyOf(resource, object.metadata.name), object),
    delete: async (resource: Resource<KubeObject>, { name }: { name: string }) =>
      objects.delete(keyOf(resource, name)) || missing(keyOf(resource, name)),
    patch: async (resource: Resource<KubeObject>, { name }: { name: string }, patch: object) => {
      const key = keyOf(resource, name);
      objects.set(key, { ...(objects.get(key) ?? missing(key)), ...patch });
    },
  };
  return { client: client as unknown as KubeClient, objects };
}

test("each Node and ExternalNode has an AntreaAgentInfo, nobody else; the controller reports on itself", async () => {
  const { client, objects } = memoryApi();
  const nodes = createTable<Node>({ name: "nodes", key: ({ metadata }) => metadata.name ?? "" });
  const filled = nodes.initializer("test");
  const externalNodes = createTable<KubeObject>({ name: "external nodes", key: ({ metadata }) => metadata.name ?? "" });
  const externalFilled = externalNodes.initializer("test");
  const stop = new AbortController();
  const node = (name: string): Node => ({ metadata: { name } }) as Node;
  let gained = (): void => {};
  const lease = {
    held: false,
    onGained(listener: () => void): void {
      gained = listener;
    },
  };
  objects.set("antreaagentinfos/gone", { metadata: { name: "gone" } });
  nodes.upsert(node("a"));
  filled();
  externalNodes.upsert({ metadata: { namespace: "machines", name: "database" } });
  keepComponentInfos({
    runtime: { ...systemRuntime(), logger: silentLogger },
    client,
    lease,
    machines: [nodes, externalNodes],
    describe: () => ({ connectedAgentNum: 2 }),
    signal: stop.signal,
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  // Another replica holds the Lease: nothing is written.
  nodes.upsert(node("c"));
  await new Promise((resolve) => setImmediate(resolve));
  nodes.delete("c");
  assert.deepEqual([...objects.keys()], ["antreaagentinfos/gone"]);
  lease.held = true;
  gained();
  // Before all is known, nobody is gone.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([...objects.keys()], ["antreaagentinfos/gone"]);
  externalFilled();
  const self = `${controllerInfos.plural}/antrea-controller`;
  await until(() => objects.has(self));
  assert.deepEqual([...objects.keys()].sort(), [`${agentInfos.plural}/a`, `${agentInfos.plural}/database`, self]);
  assert.equal((objects.get(self) as { connectedAgentNum?: number }).connectedAgentNum, 2);
  nodes.upsert(node("b"));
  nodes.delete("a");
  await until(() => objects.has(`${agentInfos.plural}/b`) && !objects.has(`${agentInfos.plural}/a`));
  externalNodes.delete("database");
  await until(() => !objects.has(`${agentInfos.plural}/database`));
  stop.abort();
});
