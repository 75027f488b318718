import {
  type ClientConfig,
  configMaps,
  createHttp2Transport,
  createKubeClient,
  type EndpointSlice,
  endpointSlices,
  type KubeClient,
  reflect,
} from "#lib/kube/index.ts";
import { milliseconds, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** One process behind a Service, and the way to it. */
export interface ServiceReplica {
  /** `address:port`. */
  readonly name: string;
  /** The same for as long as address and authority are: it keeps connections. */
  readonly client: KubeClient;
  readonly ready: boolean;
}

/** The processes behind a Service, as far as is known. */
export interface ServiceReplicas {
  known(): readonly ServiceReplica[];
  /** Resolves when what can be known at a start is known, or it takes too long. */
  whenKnown(signal: AbortSignal): Promise<void>;
  /** Hears that others are known. */
  onChange(listener: () => void): () => void;
  close(): void;
}

/** How long a start waits for the list, before it goes by what it has. */
const patience = seconds(2);
/** A Service's endpoints change one by one; those who follow are told once. */
const gather = milliseconds(20);

export interface ServiceReplicasOptions {
  readonly runtime: Runtime;
  readonly kubernetes: KubeClient;
  /** As whom one comes: to the replicas as to the Kubernetes API. */
  readonly identity: ClientConfig;
  readonly namespace: string;
  readonly service: string;
  /** Its `ca.crt` is the authority by which they are known. */
  readonly authorityConfigMap: string;
  readonly userAgent: string;
  /** Makes the way to one of them. Default: TLS to its address. */
  readonly connect?: (address: string) => KubeClient;
  readonly signal: AbortSignal;
}

/** All endpoints of a Service, each by itself. */
export function followServiceReplicas(options: ServiceReplicasOptions): ServiceReplicas {
  const { runtime, kubernetes, identity, namespace, service, authorityConfigMap, userAgent, signal } = options;
  const source = { runtime, client: kubernetes, signal, namespace, mayBeAbsent: true };
  const slices = reflect({ ...source, resource: endpointSlices, labelSelector: `kubernetes.io/service-name=${service}` });
  const maps = reflect({ ...source, resource: configMaps, fieldSelector: `metadata.name=${authorityConfigMap}` });
  const clients = new Map<string, { readonly client: KubeClient; readonly ca: string }>();
  const listeners = new Set<() => void>();
  let known: readonly ServiceReplica[] = [];

  const clientFor = (address: string, ca: string): KubeClient => {
    const present = clients.get(address);
    if (present?.ca === ca) return present.client;
    // Whoever uses the former client goes on: only new connections are others.
    const { socketPath: _, insecureSkipTlsVerify: __, ...credentials } = identity;
    const config = { ...credentials, server: `https://${address}`, ca, tlsServerName: `${service}.${namespace}.svc` };
    // Thousands of clients, each with several watches that never end: one connection for each client.
    const client = options.connect?.(address) ?? createKubeClient({ config, transport: createHttp2Transport(config), userAgent });
    clients.set(address, { client, ca });
    return client;
  };
  let timer: { cancel(): void } | undefined;
  const look = (): void => {
    timer = undefined;
    const ca = maps.get(`${namespace}/${authorityConfigMap}`)?.data?.["ca.crt"];
    const found = ca === undefined ? [] : [...slices.rows()].flatMap((slice) => endpointsOf(slice));
    const addresses = new Set(found.map(({ address }) => address));
    for (const address of clients.keys()) if (!addresses.has(address)) clients.delete(address);
    known = found.map(({ address, ready }) => ({ name: address, client: clientFor(address, ca ?? ""), ready }));
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
      for (const { client } of clients.values()) client.close();
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
