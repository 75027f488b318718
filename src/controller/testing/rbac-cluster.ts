import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import type { Authenticator } from "#lib/apiserver/auth/authenticator.ts";
import { type BootstrapObject, bootstrapObjects, ensureObjects } from "#lib/apiserver/auth/bootstrap.ts";
import { rbacAuthorizer } from "#lib/apiserver/auth/rbac.ts";
import { reviewResources } from "#lib/apiserver/auth/reviews.ts";
import { refuseUnknownTokens, staticTokenAuthenticator } from "#lib/apiserver/auth/static-tokens.ts";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { customResourceDefinitionKind } from "#lib/apiserver/custom-resources/definition-kind.ts";
import { serveCustomResources } from "#lib/apiserver/custom-resources/serve.ts";
import { type Objects, openObjects } from "#lib/apiserver/objects.ts";
import { createApiServices } from "#lib/apiserver/proxy/api-services.ts";
import { mergedDocuments } from "#lib/apiserver/proxy/merged-documents.ts";
import { createApiServer } from "#lib/apiserver/server.ts";
import { webhookAdmission } from "#lib/apiserver/webhooks/admission.ts";
import { webhookConfigurationKinds } from "#lib/apiserver/webhooks/configuration-kinds.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { type ClientConfig, createKubeClient, type KubeClient, type KubeObject } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import { authenticationConfig } from "../../lab/api-server/authentication-config.ts";
import { kubernetesKinds } from "../../lab/kubernetes/kinds/index.ts";

export type User = "admin" | "antrea-controller" | "antrea-agent" | "stranger";

/** A Kubernetes API in this process with the rights of `deploy/antrea.yml` in force, and aggregation to a controller. */
export interface RbacCluster {
  config(user: User): ClientConfig;
  client(user: User): KubeClient;
  kubeconfig(user: User): string;
  /** Where Service `antrea` leads from now on. */
  controllerAt(port: number): void;
  close(): Promise<void>;
}

const serviceAccount = (name: string): UserInfo => ({
  username: `system:serviceaccount:kube-system:${name}`,
  groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system"],
});
const users: Readonly<Record<User, UserInfo>> = {
  admin: { username: "admin", groups: ["system:masters"] },
  "antrea-controller": serviceAccount("antrea-controller"),
  "antrea-agent": serviceAccount("antrea-agent"),
  stranger: { username: "stranger", groups: [] },
};
/** Tokens as the users' names: nobody else reaches this server. */
const tokens = new Map(Object.entries(users));

export async function startRbacCluster(runtime: Runtime): Promise<RbacCluster> {
  const authority = createAuthority(runtime, { commonName: "test-ca" });
  const frontProxyAuthority = createAuthority(runtime, { commonName: "front-proxy-ca" });
  const server = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });
  const proxy = issueCertificate(runtime, frontProxyAuthority, { commonName: "front-proxy-client", usages: ["client"] });
  const authenticators: readonly Authenticator[] = [staticTokenAuthenticator(tokens), refuseUnknownTokens];
  const resources = [
    ...kubernetesKinds({ serviceCidrs: [parsePrefix("10.96.0.0/16")] }),
    ...reviewResources({ authenticators: () => authenticators, authorizer: () => authorizer }),
    customResourceDefinitionKind(() => objects.definitions),
    ...webhookConfigurationKinds,
  ];
  const objects: Objects = openObjects({
    runtime,
    resources,
    admission: (sources) => webhookAdmission({ ...sources, random: runtime.random }),
  });
  const stopping = new AbortController();
  serveCustomResources({ runtime, objects, signal: stopping.signal });
  const authorizer = rbacAuthorizer(objects);
  await ensureObjects(objects, [
    ...bootstrapObjects,
    authenticationConfig({ frontProxyCa: frontProxyAuthority.certificate }),
    ...(await deployed()),
  ]);
  let controllerPort: number | undefined;
  const aggregator = createApiServices({
    runtime,
    objects,
    proxy,
    resolve: () =>
      controllerPort === undefined
        ? { reason: "MissingEndpoints", message: "not started" }
        : { addresses: [{ host: "127.0.0.1", port: controllerPort }] },
  });
  const api = createApiServer({
    runtime,
    objects,
    tls: server,
    authenticators,
    authorizer,
    aggregator,
    documents: mergedDocuments(objects, aggregator),
  });
  const { port } = await api.listen({ host: "127.0.0.1", port: 0 });
  await aggregator.start();
  const config = (user: User): ClientConfig => ({ server: `https://127.0.0.1:${port}`, ca: authority.certificate, token: () => user });
  const clients: KubeClient[] = [];
  return {
    config,
    client(user) {
      const client = createKubeClient({ config: config(user) });
      clients.push(client);
      return client;
    },
    kubeconfig: (user) =>
      JSON.stringify({
        "current-context": "c",
        clusters: [
          {
            name: "c",
            cluster: { server: config(user).server, "certificate-authority-data": Buffer.from(authority.certificate).toString("base64") },
          },
        ],
        users: [{ name: "u", user: { token: user } }],
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      }),
    controllerAt(found) {
      controllerPort = found;
    },
    async close() {
      stopping.abort();
      for (const client of clients) client.close();
      await api.close();
    },
  };
}

const deployedKinds: Readonly<Record<string, string>> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
  Role: "roles",
  RoleBinding: "rolebindings",
  ConfigMap: "configmaps",
  Secret: "secrets",
  APIService: "apiservices",
  CustomResourceDefinition: "customresourcedefinitions",
  MutatingWebhookConfiguration: "mutatingwebhookconfigurations",
  ValidatingWebhookConfiguration: "validatingwebhookconfigurations",
};

async function deployed(): Promise<BootstrapObject[]> {
  const text = await readFile(new URL("../../../deploy/antrea.yml", import.meta.url), "utf8");
  return parseAllDocuments(text).flatMap((document) => {
    const object = document.toJS() as KubeObject | null;
    const resource = object === null ? undefined : deployedKinds[object.kind ?? ""];
    if (object === null || resource === undefined) return [];
    const [version = "", group = ""] = (object.apiVersion ?? "").split("/").toReversed();
    return version === "" ? [] : [{ resource: { group, resource }, object }];
  });
}
