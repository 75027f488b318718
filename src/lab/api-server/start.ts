import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { bootstrapObjects, ensureObjects } from "#lib/apiserver/auth/bootstrap.ts";
import { bootstrapTokenAuthenticator } from "#lib/apiserver/auth/bootstrap-tokens.ts";
import { clientCertificateAuthenticator } from "#lib/apiserver/auth/client-certificate.ts";
import { rbacAuthorizer } from "#lib/apiserver/auth/rbac.ts";
import { openIdDocuments } from "#lib/apiserver/auth/openid-documents.ts";
import { reviewResources } from "#lib/apiserver/auth/reviews.ts";
import { serviceAccountTokens } from "#lib/apiserver/auth/service-account-tokens.ts";
import { refuseUnknownTokens } from "#lib/apiserver/auth/static-tokens.ts";
import type { Authenticator } from "#lib/apiserver/auth/authenticator.ts";
import { customResourceDefinitionKind } from "#lib/apiserver/custom-resources/definition-kind.ts";
import { serveCustomResources } from "#lib/apiserver/custom-resources/serve.ts";
import { type Objects, openObjects } from "#lib/apiserver/objects.ts";
import { createApiServices } from "#lib/apiserver/proxy/api-services.ts";
import { kubeletProxy, kubeletSubresources } from "#lib/apiserver/proxy/kubelet.ts";
import { mergedDocuments } from "#lib/apiserver/proxy/merged-documents.ts";
import { proxySubresources } from "#lib/apiserver/proxy/proxy-subresource.ts";
import { type ResourceDefinition, withSubresources } from "#lib/apiserver/resource.ts";
import { createApiServer } from "#lib/apiserver/server.ts";
import { webhookAdmission } from "#lib/apiserver/webhooks/admission.ts";
import { webhookConfigurationKinds } from "#lib/apiserver/webhooks/configuration-kinds.ts";
import { openSqliteStorage } from "#lib/apiserver/storage/sqlite.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { apiServerService } from "../kubernetes/bootstrap.ts";
import { kubernetesKinds } from "../kubernetes/kinds/index.ts";
import { authenticationConfig } from "./authentication-config.ts";

export interface LabApiServerOptions {
  readonly runtime: Runtime;
  /** Folder of the database. */
  readonly data: string;
  /** Folder of what `createPki` made. */
  readonly pki: string;
  readonly socket: string;
  /** `address:port`, IPv6 addresses in brackets. */
  readonly listen: readonly string[];
  readonly serviceCidr: readonly string[];
}

/** Puts the lab's API together: the kinds, SQLite, certificates and tokens, roles, the way to kubelets and to antrea-controller. */
export async function startLabApiServer(options: LabApiServerOptions): Promise<{ close(): Promise<void> }> {
  const { runtime } = options;
  const pem = (name: string): string => readFileSync(join(options.pki, name), "utf8");
  await mkdir(options.data, { recursive: true, mode: 0o700 });
  const tokens = serviceAccountTokens({
    key: pem("service-account.key"),
    issuer: "https://kubernetes.default.svc.cluster.local",
    ...runtime,
  });
  const authenticators: Authenticator[] = [];
  const sources = { authenticators: () => authenticators, authorizer: () => authorizer };
  const access = {
    ca: pem("ca.crt"),
    certificate: pem("api-server-kubelet-client.crt"),
    key: pem("api-server-kubelet-client.key"),
  };
  const kubelets = { ofPods: kubeletSubresources(access), ofNodes: kubeletProxy(access) };
  const serviceCidrs = options.serviceCidr.map(parsePrefix);
  const resources = [
    ...kubernetesKinds({ serviceCidrs }).map((definition) => wired(definition, { tokens, kubelets })),
    customResourceDefinitionKind(() => objects.definitions),
    ...webhookConfigurationKinds,
    ...reviewResources(sources),
  ];
  const storage = openSqliteStorage({ file: join(options.data, "objects.db"), runtime });
  const objects: Objects = openObjects({
    runtime,
    resources,
    storage,
    admission: (sources) => webhookAdmission({ ...sources, random: runtime.random }),
  });
  const stopping = new AbortController();
  serveCustomResources({ runtime, objects, signal: stopping.signal });
  const authorizer = rbacAuthorizer(objects);
  authenticators.push(
    clientCertificateAuthenticator({ authorities: [pem("ca.crt")], clock: runtime.clock }),
    tokens.authenticator(objects),
    bootstrapTokenAuthenticator(objects, runtime.clock),
    refuseUnknownTokens,
  );
  const addresses = options.listen.map((address) => parseAddress(hostAndPort(address).host));
  const [first] = options.listen.map(hostAndPort);
  const [reachedAt = "localhost:6443"] = options.listen;
  await ensureObjects(objects, [
    ...bootstrapObjects,
    authenticationConfig({ clientCa: pem("ca.crt"), frontProxyCa: pem("front-proxy-ca.crt") }),
    ...apiServerService({ serviceCidrs, addresses, port: first?.port ?? 443 }),
  ]);
  const apiServices = createApiServices({
    runtime,
    objects,
    proxy: { certificate: pem("front-proxy-client.crt"), key: pem("front-proxy-client.key") },
  });
  const server = createApiServer({
    runtime,
    objects,
    tls: { certificate: pem("api-server.crt"), key: pem("api-server.key"), clientAuthorities: [pem("ca.crt")] },
    authenticators,
    authorizer,
    aggregator: apiServices,
    documents: mergedDocuments(objects, apiServices),
    paths: openIdDocuments({ ...tokens, server: `https://${reachedAt}` }),
  });
  await apiServices.start();
  await rm(options.socket, { force: true });
  await server.listen({ path: options.socket });
  for (const address of options.listen) await server.listen(hostAndPort(address));
  return {
    async close() {
      stopping.abort();
      await server.close();
      storage.close();
    },
  };
}

type Wires = {
  readonly tokens: ReturnType<typeof serviceAccountTokens>;
  readonly kubelets: { readonly ofPods: ReturnType<typeof kubeletSubresources>; readonly ofNodes: ReturnType<typeof kubeletProxy> };
};

/** Adds the subresources that need a kubelet, a signing key or a way to pods. */
function wired(definition: ResourceDefinition, { tokens, kubelets }: Wires): ResourceDefinition {
  if (definition.group !== "") return definition;
  if (definition.resource === "pods") return withSubresources(definition, { ...kubelets.ofPods, proxy: proxySubresources().pods });
  if (definition.resource === "nodes") return withSubresources(definition, { proxy: kubelets.ofNodes });
  if (definition.resource === "services") return withSubresources(definition, { proxy: proxySubresources().services });
  if (definition.resource === "serviceaccounts") return withSubresources(definition, { token: tokens.subresource });
  return definition;
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}
