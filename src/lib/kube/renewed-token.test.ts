import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import { openSqliteStorage } from "#lib/apiserver/storage/sqlite.ts";
import { startTestServer, type TestServer } from "#lib/apiserver/testing/test-server.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createKubeClient } from "./client.ts";
import { createHttp2Transport } from "./http2-transport.ts";
import { namespaces } from "./kinds.ts";
import { type ClientConfig, inClusterConfig, parseKubeconfig } from "./kubeconfig.ts";
import { reflect } from "./reflector.ts";

// Tokens of service accounts end after an hour; the kubelet, or the supervisor of joined nodes, has put another into the file by then.

const runtime = systemRuntime({ level: "error" });
const user = { username: "system:serviceaccount:kube-system:antrea-agent", groups: ["system:authenticated"] };

/** A server that takes the tokens in `valid` and no other. One that follows another has its objects and counts on from its resourceVersions. */
async function serve(
  valid: ReadonlySet<string>,
  { folder, port = 0 }: { readonly folder: string; readonly port?: number },
): Promise<TestServer> {
  const storage = openSqliteStorage({ file: join(folder, "objects.db"), runtime });
  const server = await startTestServer({
    port,
    storage,
    authenticators: () => [{ authenticate: (request) => (valid.has(bearerToken(request) ?? "") ? user : undefined) }],
  });
  return {
    ...server,
    async stop() {
      await server.stop();
      storage.close();
    },
  };
}

interface TokenFile {
  config(server: TestServer): ClientConfig;
  /** Puts another token in place of the one that is there, as who keeps the file does. */
  write(token: string): void;
}

/** As the supervisor of joined nodes keeps it: one file, replaced as a whole. */
function inFile(folder: string): TokenFile {
  return {
    write(token) {
      writeFileSync(join(folder, "token.new"), token);
      renameSync(join(folder, "token.new"), join(folder, "token"));
    },
    config({ url, authority }) {
      const cluster = { server: url, "certificate-authority-data": Buffer.from(authority.certificate).toString("base64") };
      const text = JSON.stringify({
        clusters: [{ name: "one", cluster }],
        users: [{ name: "one", user: { tokenFile: "token" } }],
        contexts: [{ name: "one", context: { cluster: "one", user: "one" } }],
        "current-context": "one",
      });
      return parseKubeconfig(text, { file: join(folder, "kubeconfig") });
    },
  };
}

/** As a kubelet projects it: a link to a folder of the moment, and the link is what is replaced. */
function inPod(folder: string): TokenFile {
  let count = 0;
  return {
    write(token) {
      const version = `..${count++}`;
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "token"), token);
      symlinkSync(version, join(folder, "..new"));
      renameSync(join(folder, "..new"), join(folder, "..data"));
    },
    config({ port, authority }) {
      for (const name of ["token", "ca.crt"]) symlinkSync(`..data/${name}`, join(folder, name));
      writeFileSync(join(folder, "..data", "ca.crt"), authority.certificate);
      const found = inClusterConfig({ KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(port) }, folder);
      assert.ok(found);
      return found;
    },
  };
}

async function followsRenewed(context: TestContext, kept: (folder: string) => TokenFile, http2: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "token-"));
  const stopping = new AbortController();
  const valid = new Set(["first"]);
  const file = kept(folder);
  file.write("first");
  let server = await serve(valid, { folder });
  const config = file.config(server);
  const client = createKubeClient({ config, ...(http2 ? { transport: createHttp2Transport(config) } : {}) });
  context.after(async () => {
    stopping.abort();
    client.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  const followed = reflect({ runtime, client, resource: namespaces, signal: stopping.signal });
  const seen = (name: string): Promise<void> =>
    new Promise((resolve) => followed.subscribe(({ after }) => after?.metadata.name === name && resolve(), { replay: true }));
  await seen("default");

  // The first token ends. What is being watched goes on; whoever asks anew shows the second.
  file.write("second");
  valid.clear();
  valid.add("second");
  await client.create(namespaces, { metadata: { name: "asked-anew" } });
  await seen("asked-anew");

  // The watch ends too, with its server, and begins again by the token of that moment.
  file.write("third");
  valid.clear();
  valid.add("third");
  const { port } = server;
  await server.stop();
  server = await serve(valid, { folder, port });
  await server.client().create(namespaces, { metadata: { name: "watched-anew" } });
  await seen("watched-anew");

  // Nothing else opens the door: no token is kept from before.
  file.write("first");
  await assert.rejects(client.list(namespaces), { httpStatus: 401 });
}

for (const [where, kept] of [
  ["a file of the supervisor", inFile],
  ["a Pod", inPod],
] as const)
  for (const http2 of [false, true])
    test(`a token that is renewed in ${where} is the one that requests and watches show, by HTTP/${http2 ? 2 : "1.1"}`, (context) =>
      followsRenewed(context, kept, http2));
