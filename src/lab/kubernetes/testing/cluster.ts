import type { Authenticator } from "#lib/apiserver/auth/authenticator.ts";
import { bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import { allowAuthenticated } from "#lib/apiserver/auth/authorizer.ts";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { customResourceDefinitionKind } from "#lib/apiserver/custom-resources/definition-kind.ts";
import { serveCustomResources } from "#lib/apiserver/custom-resources/serve.ts";
import { type Objects, openObjects } from "#lib/apiserver/objects.ts";
import { createOpenApi } from "#lib/apiserver/openapi/open-api.ts";
import { createApiServer } from "#lib/apiserver/server.ts";
import { parsePrefix } from "#lib/ip/prefix.ts";
import { createKubeClient, type KubeClient } from "#lib/kube/client.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { kubernetesKinds } from "../kinds/index.ts";

/** An API server in this process with the lab's kinds, in memory, for tests. */
export interface TestCluster {
  readonly client: KubeClient;
  readonly port: number;
  /** A kubeconfig for stock clients. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

const token = "test-token";

export async function startTestCluster(runtime: Runtime): Promise<TestCluster> {
  const authority = createAuthority(runtime, { commonName: "test-ca" });
  const { certificate, key } = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });
  const resources = kubernetesKinds({ serviceCidrs: [parsePrefix("10.96.0.0/16"), parsePrefix("fd00:10:96::/112")] });
  const objects: Objects = openObjects({ runtime, resources: [...resources, customResourceDefinitionKind(() => objects.definitions)] });
  const stopping = new AbortController();
  serveCustomResources({ runtime, objects, signal: stopping.signal });
  const testUser: Authenticator = {
    authenticate: (request) => (bearerToken(request) === token ? { username: "test", groups: ["system:masters"] } : undefined),
  };
  const server = createApiServer({
    runtime,
    objects,
    tls: { certificate, key },
    authenticators: [testUser],
    authorizer: allowAuthenticated,
    documents: createOpenApi(resources),
  });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const config = { server: `https://127.0.0.1:${port}`, ca: authority.certificate, token: () => token };
  const client = createKubeClient({ config });
  const ca = Buffer.from(authority.certificate).toString("base64");
  return {
    client,
    port,
    kubeconfig: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      clusters: [{ name: "test", cluster: { server: config.server, "certificate-authority-data": ca } }],
      users: [{ name: "test", user: { token } }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    }),
    async close() {
      client.close();
      stopping.abort();
      await server.close();
    },
  };
}
