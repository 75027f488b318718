import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { apiVersionOf, isNotFound, type KubeObject, type Resource, services } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { adminClient } from "./admin-client.ts";
import { antreaControllerConfig } from "./control-plane.ts";
import { creatorOfMissing } from "./create-missing.ts";
import type { LabPaths } from "./paths.ts";
import { projectFolder } from "./programs.ts";
import { apiNetworkOf, controllerAddress, controllerNumbers, controllerPort, firstAddress, type LabSpec } from "./spec.ts";

/** What is applied. A cluster that nodes join has the kinds of policy.networking.k8s.io, or not, as its administrator wants. */
const manifestsOf = ({ joins }: LabSpec): readonly string[] => [
  "antrea.yml",
  ...(joins === undefined ? ["policy-networking-k8s-io.yml"] : []),
];

/** What of `deploy/antrea.yml` a lab applies: who may do what, where the controller's API is, and its kinds and webhooks. Workloads it runs itself, as processes. */
const appliedKinds: Readonly<Record<string, Pick<Resource<KubeObject>, "plural" | "namespaced">>> = {
  CustomResourceDefinition: { plural: "customresourcedefinitions", namespaced: false },
  ServiceAccount: { plural: "serviceaccounts", namespaced: true },
  ClusterRole: { plural: "clusterroles", namespaced: false },
  ClusterRoleBinding: { plural: "clusterrolebindings", namespaced: false },
  Role: { plural: "roles", namespaced: true },
  RoleBinding: { plural: "rolebindings", namespaced: true },
  Secret: { plural: "secrets", namespaced: true },
  APIService: { plural: "apiservices", namespaced: false },
  MutatingWebhookConfiguration: { plural: "mutatingwebhookconfigurations", namespaced: false },
  ValidatingWebhookConfiguration: { plural: "validatingwebhookconfigurations", namespaced: false },
};

/** Applies the product's own manifests to a fresh API server and points the Service `antrea` at the controllers' processes. */
export async function installAntrea({
  runtime,
  paths,
  spec,
  signal,
}: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly signal: AbortSignal;
}): Promise<{
  /** Takes away again what was not there before. */
  uninstall(): Promise<void>;
}> {
  for (const controller of controllerNumbers(spec)) {
    const { runDir, config } = paths.controller(controller);
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    await writeFile(config, stringify(antreaControllerConfig(paths, spec, controller)));
  }
  const client = adminClient(paths);
  const createMissing = creatorOfMissing({ runtime, client, signal });
  const made: (() => Promise<void>)[] = [];
  const create = async <Kind extends KubeObject>(resource: Resource<Kind>, object: Kind): Promise<void> => {
    if ((await createMissing(resource, object)) === "was there") return;
    const { name = "", namespace } = object.metadata;
    made.push(() => client.delete(resource, { name, ...(namespace === undefined ? {} : { namespace }) }));
  };
  const manifests = await Promise.all(manifestsOf(spec).map((file) => readFile(join(projectFolder, "deploy", file), "utf8")));
  for (const document of manifests.flatMap((manifest) => parseAllDocuments(manifest))) {
    const object = document.toJS() as KubeObject | null;
    const target = object === null ? undefined : appliedKinds[object.kind ?? ""];
    if (object === null || target === undefined) continue;
    const [group = "", version = ""] = (object.apiVersion ?? "").includes("/")
      ? (object.apiVersion ?? "").split("/")
      : ["", object.apiVersion];
    await create({ group, version, kind: object.kind ?? "", ...target }, object);
  }
  // In a joined cluster the one controller is on the fabric itself.
  const network = apiNetworkOf(spec);
  const addresses =
    spec.joins === undefined ? controllerNumbers(spec).map((each) => controllerAddress(network, each)) : [firstAddress(network)];
  const metadata = { name: "antrea", namespace: "kube-system", labels: { app: "antrea" } };
  await create(services, { metadata, spec: { ports: [{ port: 443, protocol: "TCP", targetPort: controllerPort }] } });
  const slices: Resource<KubeObject> = {
    group: "discovery.k8s.io",
    version: "v1",
    plural: "endpointslices",
    kind: "EndpointSlice",
    namespaced: true,
  };
  const slice = {
    apiVersion: apiVersionOf(slices),
    kind: "EndpointSlice",
    metadata: { name: "antrea-lab", namespace: "kube-system", labels: { "kubernetes.io/service-name": "antrea" } },
    addressType: "IPv4",
    endpoints: addresses.map(({ v4 }) => ({ addresses: [v4.toString()], conditions: { ready: true } })),
    ports: [{ port: controllerPort, protocol: "TCP" }],
  };
  await create(slices, slice);
  return {
    async uninstall() {
      for (const remove of made.reverse())
        await remove().catch((error: unknown) => (isNotFound(error) ? undefined : Promise.reject(error)));
      client.close();
    },
  };
}
