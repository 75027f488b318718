import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { stringify } from "yaml";
import { InvalidKubeconfig } from "./errors.ts";
import { execToken } from "./exec-credential.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

const folder = await mkdtemp(join(tmpdir(), "exec-credential-"));
after(() => rm(folder, { recursive: true }));

/** A kubeconfig whose user comes from a plugin that prints `output`. */
async function kubeconfig(output: string, exec: Readonly<Record<string, unknown>> = {}): Promise<string> {
  await writeFile(
    join(folder, "plugin"),
    `#!/bin/sh\nprintf '%s ' "$KUBERNETES_EXEC_INFO" "$WORD" "$@" > ${folder}/heard\ncat <<'OUT'\n${output}\nOUT\n`,
  );
  await chmod(join(folder, "plugin"), 0o755);
  const file = join(folder, "config");
  const section = { apiVersion: "client.authentication.k8s.io/v1", command: "./plugin", interactiveMode: "Never", ...exec };
  await writeFile(
    file,
    stringify({
      clusters: [{ name: "c", cluster: { server: "https://there", "certificate-authority-data": Buffer.from("PEM").toString("base64") } }],
      users: [{ name: "u", user: { exec: section } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  return file;
}

const credential = (status: object): string =>
  JSON.stringify({ kind: "ExecCredential", apiVersion: "client.authentication.k8s.io/v1", status });

test("a plugin beside the kubeconfig gives the token; it hears its arguments, its environment and the cluster", async () => {
  const exec = { args: ["get", "$(touch here)"], env: [{ name: "WORD", value: "said" }], provideClusterInfo: true };
  const config = loadKubeconfig(await kubeconfig(credential({ token: "secret" }), exec));
  assert.equal(config.token?.(), "secret");
  const heard = await readFile(join(folder, "heard"), "utf8");
  assert.match(heard, /said get \$\(touch here\) $/);
  assert.match(heard, /"server":"https:\/\/there","certificate-authority-data":"UEVN"/);
});

test("a plugin may give a certificate with its key", async () => {
  const { certificate, key, token } = loadKubeconfig(await kubeconfig(credential({ clientCertificateData: "C", clientKeyData: "K" })));
  assert.deepEqual({ certificate, key, token }, { certificate: "C", key: "K", token: undefined });
});

test("a token that is about to expire is asked for anew", async () => {
  const file = await kubeconfig(credential({ token: "second" }));
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./plugin",
    args: [],
    env: {},
    installHint: "",
    interactiveMode: "Never",
  };
  let now = 0;
  const token = execToken({ file, user: "u", exec }, { token: "first", expires: 60_000 }, () => now);
  now = 40_000;
  assert.equal(token(), "first");
  now = 55_000;
  assert.equal(token(), "second");
});

test("what is wrong with a plugin is one line that names the user", async () => {
  const refused = async (output: string, exec: Readonly<Record<string, unknown>>, wanted: RegExp): Promise<void> => {
    const file = await kubeconfig(output, exec);
    assert.throws(
      () => loadKubeconfig(file),
      (error) => error instanceof InvalidKubeconfig && /users\[u\]\.user\.exec: /.test(error.message) && wanted.test(error.message),
    );
  };
  await refused("", { command: "no-such-plugin", installHint: "get it there" }, /there is no no-such-plugin: get it there$/);
  await refused("", { apiVersion: "client.authentication.k8s.io/v1alpha1" }, /apiVersion .* is none of/);
  await refused("nonsense", {}, /printed no ExecCredential/);
  await refused(credential({ clientCertificateData: "C" }), {}, /neither a token nor a certificate/);
});
