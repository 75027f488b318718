import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { kubeconfigText, startTestServer, type TestServer } from "./testing/test-server.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const run = promisify(execFile);

/** The stock kubectl on the path; set KUBECTL to try another. */
const kubectl = process.env.KUBECTL ?? onPath("kubectl");
const folder = mkdtempSync(join(tmpdir(), "apiserver-kubectl-"));
let server: TestServer;

before(async () => {
  server = await startTestServer();
  writeFileSync(join(folder, "config"), kubeconfigText(server));
  writeFileSync(join(folder, "one.yaml"), gadgetYaml("size: 3"));
  writeFileSync(join(folder, "two.yaml"), gadgetYaml("size: 5, color: red"));
  writeFileSync(join(folder, "bad.yaml"), gadgetYaml("size: -1"));
  writeFileSync(join(folder, "unknown.yaml"), gadgetYaml("sizes: 1"));
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const gadgetYaml = (spec: string): string =>
  `apiVersion: test.antrea.io/v1\nkind: Gadget\nmetadata: {name: one, namespace: default, labels: {app: a}}\nspec: {${spec}}\n`;

const flags = ["--kubeconfig", join(folder, "config"), "--cache-dir", join(folder, "cache")];

/** Runs a command line of kubectl; the text that it prints. */
async function ok(line: string): Promise<string> {
  const { stdout } = await run(kubectl ?? "kubectl", [...flags, ...line.split(" ")], {
    cwd: folder,
    timeout: amplePatience,
    env: { ...process.env, EDITOR: "true" },
  });
  return stdout.trim();
}

/** The same for one that must fail; what it says. */
async function fails(line: string): Promise<string> {
  try {
    await ok(line);
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr).trim();
  }
  throw new assert.AssertionError({ message: `kubectl ${line} did not fail` });
}

test("the stock kubectl creates, reads, changes and deletes", {
  skip: kubectl === undefined && "kubectl is not installed",
  timeout: 240_000,
}, async () => {
  assert.match(await ok("api-resources -o name"), /^namespaces\nnotes\ngadgets\.test\.antrea\.io$/m);
  assert.equal(await ok("apply -f one.yaml"), "gadget.test.antrea.io/one created");
  assert.equal(await ok("apply -f two.yaml"), "gadget.test.antrea.io/one configured");
  assert.equal(await ok("apply -f two.yaml"), "gadget.test.antrea.io/one unchanged");
  assert.match(await ok("get gdt -o wide"), /^NAME +SIZE +AGE +COLOR\none +5 +\d+s +red$/);
  assert.equal(await ok("get gadget one -o jsonpath={.metadata.generation}"), "2");
  assert.equal(await ok("scale gadget one --replicas=7"), "gadget.test.antrea.io/one scaled");
  assert.equal(await ok("label gadget one tier=x"), "gadget.test.antrea.io/one labeled");
  assert.equal(await ok("get gadgets -A -l tier=x -o name"), "gadget.test.antrea.io/one");
  assert.match(await ok("explain gadget.spec.size"), /How large\./);
  assert.match(await ok("describe gadget one"), /Size: +7/);
  assert.match(await fails("get gadget none"), /Error from server \(NotFound\): gadgets\.test\.antrea\.io "none" not found/);
  assert.match(await fails("create -f one.yaml"), /AlreadyExists/);
  assert.match(await fails("apply -f bad.yaml"), /spec\.size: Invalid value: -1: must be greater than or equal to 0/);
  assert.match(await fails("apply -f unknown.yaml"), /unknown field "(spec\.)?sizes"/);
  assert.match(
    await fails('patch gadget one --type=merge -p {"spec":{"color":"blue"}}'),
    /spec\.color: Invalid value: "blue": field is immutable/,
  );
  assert.equal(await ok("create namespace room"), "namespace/room created");
  assert.equal(await ok("delete gadget one"), 'gadget.test.antrea.io "one" deleted');
  assert.equal(await ok("get gadgets --ignore-not-found"), "");
});

test("get --watch prints a change when it happens", {
  skip: kubectl === undefined && "kubectl is not installed",
  timeout: 240_000,
}, async () => {
  await ok("apply -f one.yaml");
  const watching = spawn(kubectl ?? "", [...flags, "get", "gadgets", "--watch"], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  const sees = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(printed)) await new Promise((resolve) => watching.stdout.once("data", resolve));
  };
  watching.stdout.on("data", (text: Buffer) => {
    printed += text.toString();
  });
  await sees(/^one +3 /m);
  await ok("scale gadget one --replicas=8");
  await sees(/^one +8 /m);
  watching.kill();
});

function onPath(program: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((part) => join(part, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
