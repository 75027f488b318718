import assert from "node:assert/strict";
import { after, before } from "node:test";
import { KubeApiError } from "#lib/kube/errors.ts";
import { namespaces } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { silentLogger } from "#lib/runtime/logger.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { startTestCluster, type TestCluster } from "./cluster.ts";

/** Where the tests of kinds make their objects. */
export const namespace = "default";
let present: TestCluster | undefined;

before(async () => {
  present = await startTestCluster({ ...systemRuntime(), logger: silentLogger });
  await present.client.create(namespaces, { metadata: { name: namespace } });
});
after(() => present?.close());

/** The API of this test file. */
export function cluster(): TestCluster {
  assert.ok(present, "the cluster of a test file is there while its tests run");
  return present;
}

export const create = <Kind extends KubeObject>(resource: Resource<Kind>, name: string, fields: object): Promise<Kind> =>
  cluster().client.create(resource, { metadata: { name, namespace }, ...fields } as Kind);

export const patch = <Kind extends KubeObject>(resource: Resource<Kind>, name: string, change: object): Promise<Kind> =>
  cluster().client.patch(resource, { namespace, name }, change);

/** The fields that a refused write names, with the start of each message. */
export async function refused(write: Promise<unknown>): Promise<readonly string[]> {
  try {
    await write;
  } catch (error) {
    assert.ok(error instanceof KubeApiError, String(error));
    assert.equal(error.reason, "Invalid", error.message);
    return (error.status.details?.causes ?? []).map(({ field, message = "" }) => `${field}: ${message.split(":")[0]}`);
  }
  return [];
}

/** What `kubectl get` prints for an object, `-o wide` included. */
export async function row(path: string): Promise<Readonly<Record<string, unknown>>> {
  const table = (await cluster().client.json({
    method: "GET",
    path,
    headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
  })) as {
    readonly columnDefinitions: readonly { readonly name: string }[];
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  };
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, table.rows[0]?.cells[index]]));
}
