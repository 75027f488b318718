import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTokenSigner } from "#lib/apiserver/auth/json-web-token.ts";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { issuerDiscovery } from "./issuer-discovery.ts";

// The commands of the test server that Kubernetes' conformance tests call: what they print and answer is what those tests look for.

const main = fileURLToPath(new URL("main.ts", import.meta.url));
let folder: string;
let authority: string;
const servers: ChildProcess[] = [];

before(() => {
  folder = mkdtempSync(join(tmpdir(), "agnhost-"));
  const runtime = systemRuntime({ level: "error" });
  const root = createAuthority(runtime, { commonName: "suite" });
  const { certificate, key } = issueCertificate(runtime, root, { commonName: "webhook", hosts: ["127.0.0.1"], usages: ["server"] });
  authority = root.certificate;
  writeFileSync(join(folder, "tls.crt"), certificate);
  writeFileSync(join(folder, "tls.key"), key);
});
after(() => {
  for (const server of servers) server.kill();
  rmSync(folder, { recursive: true });
});

function agnhost(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Starts a server of reviews and returns how to ask it. */
async function reviews(command: string): Promise<(path: string, review: object) => Promise<{ status: number; body: string }>> {
  const files = [`--tls-cert-file=${join(folder, "tls.crt")}`, `--tls-private-key-file=${join(folder, "tls.key")}`];
  const server = spawn(process.execPath, [main, command, ...files, "--alsologtostderr", "-v=4", "2>&1", "--port=0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  servers.push(server);
  const port = Number(/port (\d+)/.exec(String((await once(server.stdout ?? server, "data"))[0]))?.[1]);
  return (path, review) =>
    new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port, path, method: "POST", ca: authority, agent: false }, (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          body += chunk;
        });
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      });
      asked.once("error", reject);
      asked.end(JSON.stringify(review));
    });
}

test("mounttest tells rights, owners, file systems and contents as Go prints them", () => {
  const file = join(folder, "new");
  const { status, stdout } = agnhost("mounttest", `--new_file_0660=${file}`, `--file_perm=${file}`, `--file_owner=${file}`);
  assert.equal(status, 0);
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  assert.equal(
    stdout,
    [
      `content of file "${file}": mount-tester new file\n`,
      `perms of file "${file}": -rw-rw----`,
      `owner UID of "${file}": ${uid}`,
      `owner GID of "${file}": ${gid}\n`,
    ].join("\n"),
  );
  assert.match(agnhost("mounttest", "--file_mode=/tmp").stdout, /^mode of file "\/tmp": dtrwxrwxrwx$/m);
  assert.match(agnhost("mounttest", "--fs_type=/dev/shm").stdout, /^mount type of "\/dev\/shm": tmpfs$/m);
  const once = agnhost("mounttest", `--file_content_in_loop=${file}`);
  assert.deepEqual([once.status, once.stdout], [0, `content of file "${file}": mount-tester new file\n\n`]);
  assert.equal(agnhost("mounttest", `--file_content=${file}-not`).status, 1);
});

test("logs-generator numbers its lines", () => {
  const { status, stderr } = agnhost("logs-generator", "--log-lines-total", "3", "--run-duration", "30ms");
  assert.equal(status, 0);
  const numbers = stderr.trim().split("\n");
  assert.deepEqual(
    numbers.map((line) => /^I\d{4} .*\] (\d+) (?:GET|POST|PUT) \/api\/v1\/namespaces\/\S+\/pods\/\S+ \d{3}$/.exec(line)?.[1]),
    ["0", "1", "2"],
  );
  assert.equal(agnhost("logs-generator").status, 1);
});

test("entrypoint-tester says by which name it was called", () => {
  assert.equal(agnhost("entrypoint-tester", "override", "arguments").stdout, `[${main} entrypoint-tester override arguments]\n`);
});

test("the webhook judges and changes objects as its paths say", async () => {
  const ask = await reviews("webhook");
  const answer = async (path: string, question: object): Promise<Record<string, unknown>> => {
    const review = { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1", request: { uid: "u1", ...question } };
    const { response } = JSON.parse((await ask(path, review)).body) as { response: { uid: string; patch?: string } };
    assert.equal(response.uid, "u1");
    const patch = response.patch === undefined ? {} : { patch: JSON.parse(Buffer.from(response.patch, "base64").toString()) as unknown };
    return { ...response, ...patch };
  };
  const pod = (labels: object, ...names: string[]): object => ({
    object: { metadata: { name: "webhook-to-be-mutated", labels }, spec: { containers: names.map((name) => ({ name })) } },
  });
  const configMap = (data: object): object => ({ operation: "CREATE", object: { data } });

  assert.equal((await answer("/always-deny", {})).allowed, false);
  assert.equal((await answer("/pods", pod({}, "one"))).allowed, true);
  assert.deepEqual((await answer("/pods", pod({ "webhook-e2e-test": "webhook-disallow" }, "webhook-disallow"))).status, {
    message: "the pod contains unwanted label; the pod contains unwanted container name;",
  });
  const attach = { name: "to-be-attached-pod", subResource: "attach", object: { stdin: true, container: "container1" } };
  assert.equal((await answer("/pods/attach", attach)).allowed, false);
  assert.equal((await answer("/pods/attach", { ...attach, name: "other" })).allowed, true);
  assert.deepEqual((await answer("/mutating-pods", pod({}, "one"))).patch, [
    {
      op: "add",
      path: "/spec/initContainers",
      value: [{ name: "webhook-added-init-container", image: "webhook-added-image", resources: {} }],
    },
  ]);
  assert.equal((await answer("/configmaps", configMap({ "webhook-e2e-test": "webhook-disallow" }))).allowed, false);
  const kept = { operation: "DELETE", oldObject: { data: { "webhook-e2e-test": "webhook-nondeletable" } } };
  assert.equal((await answer("/custom-resource", kept)).allowed, false);
  assert.deepEqual((await answer("/mutating-configmaps", configMap({ "mutation-start": "yes" }))).patch, [
    { op: "add", path: "/data/mutation-stage-1", value: "yes" },
  ]);
  assert.deepEqual((await answer("/mutating-custom-resource", configMap({ "mutation-start": "yes", "mutation-stage-1": "yes" }))).patch, [
    { op: "add", path: "/data/mutation-stage-2", value: "yes" },
  ]);
  assert.deepEqual((await answer("/add-label", pod({ a: "b" }))).patch, [
    { op: "add", path: "/metadata/labels/added-label", value: "yes" },
  ]);
  assert.equal((await answer("/crd", pod({ "webhook-e2e-test": "webhook-disallow" }))).allowed, false);
  assert.equal((await ask("/other", { kind: "AdmissionReview", request: {} })).status, 404);
  assert.equal((await ask("/pods", { kind: "Pod" })).status, 400);
});

test("the conversion webhook parts host and port, and puts them together", async () => {
  const ask = await reviews("crd-conversion-webhook");
  const convert = async (apiVersion: string, ...objects: object[]): Promise<Record<string, unknown>> => {
    const question = { uid: "u2", desiredAPIVersion: apiVersion, objects };
    const { body } = await ask("/crdconvert", { kind: "ConversionReview", apiVersion: "apiextensions.k8s.io/v1", request: question });
    return (JSON.parse(body) as { response: Record<string, unknown> }).response;
  };
  const [v1, v2] = ["stable.example.com/v1", "stable.example.com/v2"];
  assert.deepEqual(await convert(v2, { apiVersion: v1, hostPort: "localhost:8080" }), {
    uid: "u2",
    convertedObjects: [{ apiVersion: v2, host: "localhost", port: "8080" }],
    result: { status: "Success" },
  });
  assert.deepEqual((await convert(v1, { apiVersion: v2, host: "a", port: "1" }, { apiVersion: v2 })).convertedObjects, [
    { apiVersion: v1, hostPort: "a:1" },
    { apiVersion: v1 },
  ]);
  assert.deepEqual((await convert(v2, { apiVersion: v1, hostPort: "nowhere" })).result, {
    status: "Failure",
    message: "hostPort: nowhere is not HOST:PORT",
  });
});

test("porter serves by TLS where a variable says so", async () => {
  const reserved = createServer().listen(0, "127.0.0.1");
  await once(reserved, "listening");
  const { port } = reserved.address() as AddressInfo;
  reserved.close();
  const env = { CERT_FILE: join(folder, "tls.crt"), KEY_FILE: join(folder, "tls.key"), [`SERVE_TLS_PORT_${port}`]: "secret" };
  const server = spawn(process.execPath, [main, "porter"], { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } });
  servers.push(server);
  assert.equal(String((await once(server.stdout ?? server, "data"))[0]), `Serving TLS on port ${port}\n`);
  const asked = request({ host: "127.0.0.1", port, ca: authority, agent: false });
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  assert.equal(await text(answer), "secret");
});

test("nettest counts who left a note", async () => {
  const server = spawn(process.execPath, [main, "nettest", "--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
  servers.push(server);
  const port = Number(/port (\d+)/.exec(String((await once(server.stdout ?? server, "data"))[0]))?.[1]);
  const write = async (body: string): Promise<number> => (await fetch(`http://127.0.0.1:${port}/write`, { method: "POST", body })).status;
  assert.deepEqual([await write('{"Source":"prestop"}'), await write('{"Source":"prestop"}'), await write("{}")], [200, 200, 400]);
  const state = (await (await fetch(`http://127.0.0.1:${port}/read`)).json()) as { readonly Received: object };
  assert.deepEqual(state.Received, { prestop: 2 });
});

test("a token is checked by what its issuer publishes", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = createTokenSigner(privateKey.export({ type: "pkcs8", format: "pem" }));
  const issuer = "https://issuer.test";
  const published: Record<string, object> = {
    [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/keys` },
    [`${issuer}/keys`]: { keys: [signer.publicKey] },
  };
  const check = async (claims: object): Promise<number> => {
    writeFileSync(join(folder, "token"), signer.sign({ iss: issuer, aud: ["oidc"], exp: Date.now(), ...claims }));
    const args = ["--token-path", join(folder, "token"), "--audience", "oidc"];
    return issuerDiscovery(
      args,
      () => {},
      async (url) => JSON.stringify(published[url]),
    );
  };
  assert.equal(await check({}), 0);
  assert.equal(await check({ aud: ["else"] }), 1);
  assert.equal(await check({ exp: 1 }), 1);
  published[`${issuer}/keys`] = { keys: [] };
  assert.equal(await check({}), 1);
});
