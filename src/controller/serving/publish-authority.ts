import {
  apiServices,
  type APIService,
  configMaps,
  createWorkqueue,
  isNotFound,
  type KubeClient,
  type KubeObject,
  keyOf,
  type LeaseHold,
  type Resource,
  reflect,
} from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

const configMapName = "antrea-ca";
/** Marks what this controller answers for. */
const servedByUs = "app=antrea,served-by=antrea-controller";

/** Before the name of a webhook configuration among the keys of work. */
const webhooksKey = "webhooks ";

interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig?: { readonly caBundle?: string } }[];
}

const webhookKinds = (["Mutating", "Validating"] as const).map(
  (sort): Resource<WebhookConfiguration> => ({
    group: "admissionregistration.k8s.io",
    version: "v1",
    plural: `${sort.toLowerCase()}webhookconfigurations`,
    kind: `${sort}WebhookConfiguration`,
    namespaced: false,
  }),
);

/**
 * Tells clients which authority to trust: ConfigMap `antrea-ca` for agents and people, `caBundle` of our APIServices and webhooks
 * for the Kubernetes API.
 * Keeps both right when somebody changes them or the certificate is renewed.
 */
export function publishAuthority(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  /** Only its holder writes: another may not have heard of the newest authorities yet. */
  readonly lease: Pick<LeaseHold, "held" | "onGained">;
  readonly namespace: string;
  readonly authority: () => string;
  readonly signal: AbortSignal;
}): { republish(): void } {
  const { runtime, client, lease, namespace, authority, signal } = options;
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
  const configurations = webhookKinds.map((resource) => ({
    resource,
    table: reflect({ runtime, client, signal, resource, labelSelector: servedByUs, mayBeAbsent: true }),
  }));
  const publishToWebhooks = async (key: string): Promise<void> => {
    const caBundle = Buffer.from(authority()).toString("base64");
    for (const { resource, table } of configurations) {
      const found = table.get(key.slice(webhooksKey.length));
      if (found?.webhooks === undefined || found.webhooks.every(({ clientConfig }) => clientConfig?.caBundle === caBundle)) continue;
      const webhooks = found.webhooks.map((webhook) => ({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } }));
      await client.patch<WebhookConfiguration>(resource, { name: found.metadata.name ?? "" }, { webhooks });
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
    async work(key) {
      if (!lease.held || authority() === "") return;
      if (key === configMapName) return publishMap();
      return key.startsWith(webhooksKey) ? publishToWebhooks(key) : publishBundle(key);
    },
  });
  const republish = (): void => {
    queue.add(configMapName);
    for (const service of services.rows()) queue.add(keyOf(service));
    for (const { table } of configurations) for (const each of table.rows()) queue.add(webhooksKey + keyOf(each));
  };

  lease.onGained(republish);
  services.subscribe(({ key, after }) => void (after && queue.add(key)), { replay: true });
  for (const { table } of configurations)
    table.subscribe(({ key, after }) => void (after && queue.add(webhooksKey + key)), { replay: true });
  maps.subscribe(() => queue.add(configMapName));
  void maps.whenSynced().then(() => queue.add(configMapName));
  return { republish };
}
