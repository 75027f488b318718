import { configMaps, serviceAccounts } from "#lib/kube/kinds.ts";
import { isAlreadyExists } from "#lib/kube/errors.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { ControllerContext } from "./cluster.ts";

const rootCertificate = "kube-root-ca.crt";

/** Gives every namespace its service account `default` and the authority's certificate that pods check the API server by. */
export function runServiceAccounts({ runtime, client, signal, cluster }: ControllerContext, rootCa: string): void {
  const work = async (namespace: string): Promise<void> => {
    const present = cluster.namespaces.get(namespace);
    if (present === undefined || present.metadata.deletionTimestamp !== undefined) return;
    try {
      if (cluster.serviceAccounts.get(`${namespace}/default`) === undefined)
        await client.create(serviceAccounts, { metadata: { name: "default", namespace } });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const map = cluster.configMaps.get(`${namespace}/${rootCertificate}`);
    if (map?.data?.["ca.crt"] === rootCa) return;
    const object = { metadata: { name: rootCertificate, namespace }, data: { "ca.crt": rootCa } };
    try {
      await (map === undefined ? client.create(configMaps, object) : client.update(configMaps, object));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };
  const queue = createWorkqueue({ runtime, name: "serviceaccounts", work, signal });
  cluster.namespaces.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.serviceAccounts.subscribe(({ before, after }) => {
    if (before !== undefined && after === undefined && before.metadata.name === "default") queue.add(before.metadata.namespace ?? "");
  });
  cluster.configMaps.subscribe(({ before, after }) => {
    const { name, namespace = "" } = (after ?? before)?.metadata ?? {};
    if (name === rootCertificate && before !== undefined) queue.add(namespace);
  });
}
