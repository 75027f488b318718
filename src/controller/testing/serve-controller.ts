import { type KubeObject, type Resource, services } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { ControllerConfig } from "../config.ts";
import { runController } from "../wiring.ts";
import type { RbacCluster } from "./rbac-cluster.ts";

const slices: Resource<KubeObject> = {
  group: "discovery.k8s.io",
  version: "v1",
  plural: "endpointslices",
  kind: "EndpointSlice",
  namespaced: true,
};

/** Runs a controller in this process and points the cluster's Service `antrea` at it, so that its APIs and webhooks are asked. */
export async function serveController({
  runtime,
  cluster,
  config,
}: {
  readonly runtime: Runtime;
  readonly cluster: RbacCluster;
  readonly config: ControllerConfig;
}): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  const { promise: serving, resolve, reject } = Promise.withResolvers<number>();
  const finished = runController({ runtime, config, configFile: "test.conf", environment: {}, signal: stopping.signal, serving: resolve });
  finished.catch(reject);
  const port = await serving;
  cluster.controllerAt(port);
  const admin = cluster.client("admin");
  const metadata = { name: "antrea", namespace: "kube-system" };
  await admin.create(services, { metadata, spec: { ports: [{ port: 443, protocol: "TCP", targetPort: port }] } });
  await admin.create(slices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "antrea" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ port, protocol: "TCP" }],
  } as KubeObject);
  return {
    async stop() {
      stopping.abort();
      await finished;
    },
  };
}
