import { createKubeClient, type KubeClient } from "#lib/kube/client.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import type { Aggregator } from "../aggregator.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { allowAuthenticated, type Authorizer } from "../auth/authorizer.ts";
import { clientCertificateAuthenticator } from "../auth/client-certificate.ts";
import { createAuthority, issueCertificate, type KeyPair } from "../certificates.ts";
import { customResourceDefinitionKind } from "../custom-resources/definition-kind.ts";
import { serveCustomResources } from "../custom-resources/serve.ts";
import { type Objects, openObjects } from "../objects.ts";
import type { OpenApiDocuments } from "../http/serve-path.ts";
import { mergedDocuments } from "../proxy/merged-documents.ts";
import type { ResourceDefinition } from "../resource.ts";
import { type ApiServerOptions, createApiServer } from "../server.ts";
import { webhookAdmission } from "../webhooks/admission.ts";
import { webhookConfigurationKinds } from "../webhooks/configuration-kinds.ts";
import type { Storage } from "../storage/storage.ts";
import { gadget, namespace, note } from "./tiny-kinds.ts";

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly authority: KeyPair;
  readonly admin: KeyPair;
  readonly objects: Objects;
  /** As a member of `system:masters`, unless another certificate is given. */
  client(credentials?: KeyPair): KubeClient;
  stop(): Promise<void>;
}

const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "test-ca" });
const serverPair = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1", "localhost"], usages: ["server"] });
const adminPair = issueCertificate(runtime, authority, { commonName: "admin", organizations: ["system:masters"], usages: ["client"] });

/** A client certificate of the test servers' authority. */
export const testClient = (commonName: string, organizations: readonly string[] = []): KeyPair =>
  issueCertificate(runtime, authority, { commonName, organizations, usages: ["client"] });

/** A server of the tiny kinds on a free port of the loopback address, with the namespace `default`. */
export async function startTestServer(
  options: {
    readonly resources?: readonly ResourceDefinition[];
    readonly storage?: Storage;
    readonly port?: number;
    /** Serve CustomResourceDefinitions and their kinds, and ask webhooks. */
    readonly customResources?: true;
    readonly authorizer?: (objects: Objects) => Authorizer;
    readonly authenticators?: (objects: Objects) => readonly Authenticator[];
    readonly aggregator?: (objects: Objects) => Aggregator;
    readonly documents?: (objects: Objects) => OpenApiDocuments;
    readonly paths?: ApiServerOptions["paths"];
  } = {},
): Promise<TestServer> {
  const objects: Objects = openObjects({
    runtime,
    resources: [
      ...(options.resources ?? [namespace, gadget, note]),
      ...(options.customResources ? [customResourceDefinitionKind(() => objects.definitions), ...webhookConfigurationKinds] : []),
    ],
    ...(options.customResources ? { admission: (sources) => webhookAdmission({ ...sources, random: runtime.random }) } : {}),
    ...(options.storage === undefined ? {} : { storage: options.storage }),
  });
  const stopping = new AbortController();
  if (options.customResources) serveCustomResources({ runtime, objects, signal: stopping.signal });
  const aggregator = options.aggregator?.(objects);
  const server = createApiServer({
    runtime,
    objects,
    tls: { certificate: serverPair.certificate, key: serverPair.key, clientAuthorities: [authority.certificate] },
    authenticators: [
      clientCertificateAuthenticator({ authorities: [authority.certificate], clock: runtime.clock }),
      ...(options.authenticators?.(objects) ?? []),
    ],
    authorizer: options.authorizer?.(objects) ?? allowAuthenticated,
    ...(aggregator === undefined ? {} : { aggregator }),
    ...(options.paths === undefined ? {} : { paths: options.paths }),
    documents: options.documents?.(objects) ?? mergedDocuments(objects),
  });
  const { port } = await server.listen({ host: "127.0.0.1", port: options.port ?? 0 });
  const url = `https://127.0.0.1:${port}`;
  const clients: KubeClient[] = [];
  const client = (credentials = adminPair): KubeClient => {
    const made = createKubeClient({
      config: { server: url, ca: authority.certificate, certificate: credentials.certificate, key: credentials.key } as never,
    });
    clients.push(made);
    return made;
  };
  if (objects.get({ group: "", resource: "namespaces" }, { namespace: "", name: "default" }) === undefined)
    await client().json({ method: "POST", path: "/api/v1/namespaces", body: JSON.stringify({ metadata: { name: "default" } }) });
  return {
    url,
    port,
    authority,
    admin: adminPair,
    objects,
    client,
    async stop() {
      stopping.abort();
      for (const one of clients) one.close();
      await server.close();
    },
  };
}

/** A kubeconfig for `kubectl`, as JSON (which is YAML). */
export function kubeconfigText({ url, authority: { certificate }, admin }: TestServer, user: KeyPair = admin): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": base64(certificate) } }],
    users: [{ name: "test", user: { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}
