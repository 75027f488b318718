import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectKubernetes } from "./connect-kubernetes.ts";

const folder = await mkdtemp(join(tmpdir(), "daemon-connect-"));
after(() => rm(folder, { recursive: true }));
const kubeconfig = join(folder, "kubeconfig");
await writeFile(
  kubeconfig,
  JSON.stringify({
    "current-context": "c",
    clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:8001" } }],
    users: [{ name: "u", user: {} }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  }),
);

const connect = (override: string, file = kubeconfig) =>
  connectKubernetes({
    config: { "clientConnection.kubeconfig": file, kubeAPIServerOverride: override },
    configFile: "f",
    environment: {},
    userAgent: "test",
  });

test("by kubeconfig or as a Pod; without either the way out is named", () => {
  assert.throws(() => connect("", ""), { message: /^f: clientConnection.kubeconfig: is empty and this is no Pod; name a kubeconfig file/ });
  assert.throws(() => connect("", "/nonexistent"), { code: "INVALID_KUBECONFIG" });
});

test("the server is replaced by an override", () => {
  const server = (override: string): string => {
    const client = connect(override);
    client.close();
    return client.server;
  };
  assert.equal(server(""), "http://127.0.0.1:8001");
  assert.equal(server("192.0.2.7:6443"), "https://192.0.2.7:6443");
  assert.equal(server("http://api.example/"), "http://api.example");
  assert.equal(server("fd00::1"), "https://[fd00::1]");
  assert.throws(() => server("not a host"), { message: /^f: kubeAPIServerOverride: "not a host" is no host/ });
});
