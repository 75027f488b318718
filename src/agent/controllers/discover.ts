import {
  type ClientConfig,
  configMaps,
  createKubeClient,
  type EndpointSlice,
  endpointSlices,
  type KubeClient,
  reflect,
} from "#lib/kube/index.ts";
import { milliseconds, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import type { ControllerReplica, ControllerReplicas } from "./replicas.ts";

/** How long a start waits for the list of controllers, before it goes by what it has. */
const patience = seconds(2);
/** A Service's endpoints change one by one; those who follow are told once. */
const gather = milliseconds(20);

export interface DiscoverOptions {
  readonly runtime: Runtime;
  readonly kubernetes: KubeClient;
  /** As whom one comes: to the controllers as to the Kubernetes API. */
  readonly identity: ClientConfig;
  /** Where Service `antrea` and ConfigMap `antrea-ca` are. */
  readonly namespace: string;
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

/**
 * All endpoints of Service `antrea`, each known by the authority in ConfigMap `antrea-ca`, and last the way through the Kubernetes API, which is all there is
 * where a network lets nobody near the controllers.
 */
export function discoverControllers(options: DiscoverOptions): ControllerReplicas & { close(): void } {
  const { runtime, kubernetes, identity, namespace, userAgent, signal } = options;
  const source = { runtime, client: kubernetes, signal, namespace, mayBeAbsent: true };
  const slices = reflect({ ...source, resource: endpointSlices, labelSelector: "kubernetes.io/service-name=antrea" });
  const maps = reflect({ ...source, resource: configMaps, fieldSelector: "metadata.name=antrea-ca" });
  const indirect: ControllerReplica = { name: "Kubernetes API", client: kubernetes, standing: "indirect" };
  const direct = new Map<string, { readonly client: KubeClient; readonly ca: string }>();
  const listeners = new Set<() => void>();
  let known: readonly ControllerReplica[] = [indirect];

  /** The same client for as long as address and authority are the same: it keeps connections. */
  const clientFor = (address: string, ca: string): KubeClient => {
    const present = direct.get(address);
    if (present?.ca === ca) return present.client;
    // Whoever follows the controller by the former client goes on: only new connections are others.
    const { socketPath: _, insecureSkipTlsVerify: __, ...credentials } = identity;
    const client = createKubeClient({
      config: { ...credentials, server: `https://${address}`, ca, tlsServerName: `antrea.${namespace}.svc` },
      userAgent,
    });
    direct.set(address, { client, ca });
    return client;
  };
  let timer: { cancel(): void } | undefined;
  const look = (): void => {
    timer = undefined;
    const ca = maps.get(`${namespace}/antrea-ca`)?.data?.["ca.crt"];
    const found = ca === undefined ? [] : [...slices.rows()].flatMap((slice) => endpointsOf(slice));
    const addresses = new Set(found.map(({ address }) => address));
    for (const address of direct.keys()) if (!addresses.has(address)) direct.delete(address);
    known = [
      ...found.map(({ address, ready }) => ({
        name: address,
        client: clientFor(address, ca ?? ""),
        standing: ready ? ("ready" as const) : ("unready" as const),
      })),
      indirect,
    ];
    for (const listener of [...listeners]) listener();
  };
  const soon = (): void => {
    timer ??= runtime.clock.after(gather, look, { background: true });
  };
  slices.subscribe(soon, { replay: true });
  maps.subscribe(soon, { replay: true });

  return {
    known: () => known,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async whenKnown(giveUp) {
      const enough = new AbortController();
      const late = sleep(runtime.clock, patience, AbortSignal.any([giveUp, enough.signal])).catch(() => {});
      await Promise.race([Promise.all([slices.whenSynced(), maps.whenSynced()]), late]);
      enough.abort();
      timer?.cancel();
      look();
    },
    close() {
      for (const { client } of direct.values()) client.close();
    },
  };
}

function endpointsOf({ endpoints, ports }: EndpointSlice): { readonly address: string; readonly ready: boolean }[] {
  const port = ports?.[0]?.port;
  if (port === undefined) return [];
  return (endpoints ?? []).flatMap(({ addresses, conditions }) => {
    // All addresses of an endpoint are the same one (discovery.k8s.io/v1).
    const [host] = addresses;
    if (host === undefined || conditions?.terminating === true) return [];
    return [{ address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`, ready: conditions?.ready !== false }];
  });
}
