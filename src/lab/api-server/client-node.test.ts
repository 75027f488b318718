import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { KubeObject } from "#lib/kube/types.ts";
import { sleep, systemClock } from "#lib/runtime/clock.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { labPaths } from "../paths.ts";

// The informers and watches of Kubernetes' own JavaScript client against the lab's API server. The package and the 67 that it draws in (83 MB) are none of
// ours: `npm install --prefix FOLDER @kubernetes/client-node@2.0.1`, then `CLIENT_NODE=FOLDER node --test src/lab/api-server/client-node.test.ts`.

const place = process.env.CLIENT_NODE;
const skip = place === undefined ? "CLIENT_NODE names no folder with @kubernetes/client-node" : false;

type Heard = (object: KubeObject) => void;

/** What is used of the package. */
interface ClientNode {
  readonly KubeConfig: new () => { loadFromFile(file: string): void; makeApiClient(api: unknown): CoreV1Api };
  readonly CoreV1Api: unknown;
  readonly Watch: new (
    config: unknown,
  ) => {
    watch(
      path: string,
      query: object,
      event: (type: string, object: KubeObject) => void,
      done: (error: unknown) => void,
    ): Promise<{ abort(): void }>;
  };
  makeInformer(config: unknown, path: string, list: () => Promise<unknown>, labelSelector?: string): Informer;
}

interface Informer {
  on(event: "add" | "update" | "delete" | "connect", heard: Heard): void;
  on(event: "error", heard: (error: { readonly name?: string }) => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  list(): readonly KubeObject[];
}

interface CoreV1Api {
  listNamespacedConfigMap(target: { namespace: string; labelSelector?: string }): Promise<{ items: readonly KubeObject[] }>;
  createNamespacedConfigMap(request: { namespace: string; body: object }): Promise<KubeObject>;
  replaceNamespacedConfigMap(request: { namespace: string; name: string; body: object }): Promise<KubeObject>;
  deleteNamespacedConfigMap(request: { namespace: string; name: string }): Promise<KubeObject>;
}

const runtime = systemRuntime({ level: "error" });
const folder = mkdtempSync(join(tmpdir(), "antrea-client-node-"));
const port = 30_000 + (process.pid % 2_000);
const namespace = "default";
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const labels = { of: "client-node" };
let library: ClientNode;
let config: InstanceType<ClientNode["KubeConfig"]>;
let api: CoreV1Api;
let server: { close(): Promise<void> };

const start = async (): Promise<void> => {
  const { startLabApiServer } = await import("./start.ts");
  server = await startLabApiServer({
    runtime,
    data: join(folder, "api"),
    pki: join(folder, "pki"),
    socket: join(folder, "api.sock"),
    listen: [`127.0.0.1:${port}`],
    serviceCidr: ["10.96.0.0/16"],
  });
};

before(async () => {
  if (place === undefined) return;
  const resolved = createRequire(join(place, "none.js")).resolve("@kubernetes/client-node");
  library = (await import(pathToFileURL(resolved).href)) as ClientNode;
  const [pki, adminKubeconfig] = [join(folder, "pki"), join(folder, "admin.kubeconfig")];
  const paths = { ...labPaths("client-node"), pki, adminKubeconfig, kubeconfig: (user: string) => join(pki, `${user}.kubeconfig`) };
  const spec = {
    name: "client-node",
    nodes: 0,
    podCidrs: ["10.10.0.0/16"],
    serviceCidrs: ["10.96.0.0/16"],
    uplink: false,
    fromSource: true,
  };
  // loaded only where the test runs: every other run passes it by
  const { createPki } = await import("../pki.ts");
  await createPki({ runtime, paths, spec, hostPort: port });
  await start();
  config = new library.KubeConfig();
  config.loadFromFile(adminKubeconfig);
  api = config.makeApiClient(library.CoreV1Api);
});
after(async () => {
  await server?.close();
  rmSync(folder, { recursive: true });
});

const create = (name: string, data: object = {}) =>
  api.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels }, data } });
const replace = (name: string, data: object) =>
  api.replaceNamespacedConfigMap({ namespace, name, body: { metadata: { name, labels }, data } });
const remove = (name: string) => api.deleteNamespacedConfigMap({ namespace, name });

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + amplePatience;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `${what}: given up`);
    await sleep(systemClock, 10);
  }
}

test("an informer lists, follows, comes back after a restart of the server, and lists again what has expired", { skip }, async () => {
  const heard: string[] = [];
  let connected = 0;
  let failed = 0;
  let wanted = true;
  await create("first");
  const selector = "of=client-node";
  const informer = library.makeInformer(config, path, () => api.listNamespacedConfigMap({ namespace, labelSelector: selector }), selector);
  const note =
    (what: string): Heard =>
    ({ metadata }) =>
      void heard.push(`${what} ${metadata.name}`);
  for (const event of ["add", "update", "delete"] as const) informer.on(event, note(event));
  informer.on("connect", () => connected++);
  // as the package's documentation has it: who is told of an error starts it again. Stopping it is told as one too.
  informer.on("error", () => {
    failed++;
    systemClock.after(milliseconds(20), () => void (wanted && informer.start()));
  });
  await informer.start();
  const expect = (...events: readonly string[]) => until(events.join(), () => events.every((event) => heard.includes(event)));
  await expect("add first");
  await create("second");
  await replace("second", { a: "1" });
  await remove("first");
  await expect("add second", "update second", "delete first");
  assert.deepEqual(heard, ["add first", "add second", "update second", "delete first"]);

  await server.close();
  await until("an error", () => failed > 0);
  await start();
  await create("third");
  await expect("add third");
  const before = connected;

  // what changes while it is away is not in the history of the server that comes up: 410, and the list again
  wanted = false;
  await informer.stop();
  await remove("second");
  await replace("third", { b: "2" });
  await server.close();
  await start();
  heard.length = 0;
  wanted = true;
  await informer.start();
  await expect("delete second", "update third");
  assert.ok(connected >= before + 2, "it connected once, was told 410, and connected again");
  assert.deepEqual(
    informer.list().map(({ metadata }) => metadata.name),
    ["third"],
  );
  wanted = false;
  await informer.stop();
});

test("a watch list sends what is there, a bookmark that says so, and then what changes", { skip }, async () => {
  for (const name of ["one", "two"]) await create(`listed-${name}`);
  const events: string[] = [];
  const query = {
    sendInitialEvents: true,
    resourceVersionMatch: "NotOlderThan",
    allowWatchBookmarks: true,
    labelSelector: "of=client-node",
  };
  const watch = new library.Watch(config);
  const ended = new Promise((resolve) => {
    void watch
      .watch(
        path,
        query,
        (type, { metadata }) => {
          const end = type === "BOOKMARK" ? metadata.annotations?.["k8s.io/initial-events-end"] : undefined;
          events.push(`${type} ${end === undefined ? metadata.name : `end=${end}`}`);
        },
        resolve,
      )
      .then(async (running) => {
        await until("the bookmark", () => events.includes("BOOKMARK end=true"));
        await create("listed-later");
        await until("the change", () => events.includes("ADDED listed-later"));
        running.abort();
      });
  });
  await ended;
  assert.deepEqual(events.slice(-4), ["ADDED listed-two", "ADDED third", "BOOKMARK end=true", "ADDED listed-later"]);
});
