import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testCluster } from "./lab/test.ts";
import { usersKubeconfig } from "./users-kubeconfig.ts";

test("a user who names no cluster means KUBECONFIG's, then the one at home", (context) => {
  const home = mkdtempSync(join(tmpdir(), "home-"));
  context.after(() => rmSync(home, { recursive: true }));
  assert.equal(usersKubeconfig({ KUBECONFIG: "/some/file" }, home), "/some/file");
  assert.throws(() => usersKubeconfig({}, home), { code: "NO_KUBECONFIG", message: new RegExp(`there is no ${home}/.kube/config`) });
  mkdirSync(join(home, ".kube"));
  writeFileSync(join(home, ".kube", "config"), "");
  assert.equal(usersKubeconfig({}, home), join(home, ".kube", "config"));
});

test("lab test goes to the cluster of KUBECONFIG, and takes no two clusters", async () => {
  await assert.rejects(testCluster({ scripts: [], environment: { KUBECONFIG: "/no/such.kc" } }), {
    code: "INVALID_KUBECONFIG",
    message: /^\/no\/such\.kc: /,
  });
  await assert.rejects(testCluster({ scripts: [], kubeconfig: "/no/such.kc", simulated: true }), {
    code: "UNSUPPORTED_VALUE",
    message: "unsupported value /no/such.kc for flag --kubeconfig: nothing beside --simulated, which takes the place of a cluster",
  });
});
