import { apiServices, type APIService, configMaps, createWorkqueue, isNotFound, type KubeClient, keyOf, reflect } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

const configMapName = "antrea-ca";
/** Marks what this controller answers for. */
const servedByUs = "app=antrea,served-by=antrea-controller";

/**
 * Tells clients which authority to trust: ConfigMap `antrea-ca` for agents and people, `caBundle` of our APIServices for the Kubernetes API.
 * Keeps both right when somebody changes them or the certificate is renewed.
 */
export function publishAuthority(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly namespace: string;
  readonly authority: () => string;
  readonly signal: AbortSignal;
}): { republish(): void } {
  const { runtime, client, namespace, authority, signal } = options;
  const name = { namespace, name: configMapName };
  const services = reflect({ runtime, client, signal, resource: apiServices, labelSelector: servedByUs });
  const maps = reflect({ runtime, client, signal, resource: configMaps, namespace, fieldSelector: `metadata.name=${configMapName}` });

  const publishMap = async (): Promise<void> => {
    if (!maps.synced || maps.get(`${namespace}/${configMapName}`)?.data?.["ca.crt"] === authority()) return;
    const data = { "ca.crt": authority() };
    try {
      await client.patch(configMaps, name, { data });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await client.create(configMaps, { metadata: { ...name, labels: { app: "antrea" } }, data });
    }
  };
  const publishBundle = async (service: string): Promise<void> => {
    const found = services.get(service);
    const caBundle = Buffer.from(authority()).toString("base64");
    if (found === undefined || found.spec?.caBundle === caBundle) return;
    await client.patch<APIService>(apiServices, { name: service }, { spec: { caBundle, insecureSkipTLSVerify: null } });
  };
  const queue = createWorkqueue({
    runtime,
    name: "publish-authority",
    signal,
    work: (key) => (key === configMapName ? publishMap() : publishBundle(key)),
  });
  const republish = (): void => {
    queue.add(configMapName);
    for (const service of services.rows()) queue.add(keyOf(service));
  };

  services.subscribe(({ key, after }) => void (after && queue.add(key)), { replay: true });
  maps.subscribe(() => queue.add(configMapName));
  void maps.whenSynced().then(() => queue.add(configMapName));
  return { republish };
}
