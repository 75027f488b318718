import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { call } from "../testing/http.ts";
import { startTestServer } from "../testing/test-server.ts";
import { judgedNetworkPolicies } from "./testing/judged-network-policies.ts";

// The definitions of kubernetes-sigs/network-policy-api as they are published; they lie beside the project.

const folder = fileURLToPath(new URL("../../../../../shared/crds/", import.meta.url));
const skip = !existsSync(folder) && "the published CRDs are not beside the project (../shared/crds)";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

for (const [file, { path, kind, cases }] of Object.entries(judgedNetworkPolicies)) {
  test(`${file} installs as it is published, and judges as its rules say`, { skip }, async () => {
    const server = await startTestServer({ customResources: true });
    try {
      const installed = await call(server, { method: "POST", path: definitions, body: parse(readFileSync(`${folder}${file}`, "utf8")) });
      assert.equal(installed.code, 201, installed.text);
      for (const [index, { what, spec, refused }] of cases.entries()) {
        const { code, body, text } = await call(server, {
          method: "POST",
          path,
          body: { kind, metadata: { name: `case-${index}` }, spec },
        });
        assert.equal(code, refused === undefined ? 201 : 422, `${what}: ${text}`);
        if (refused !== undefined) assert.match(String(body.message), refused, what);
      }
    } finally {
      await server.stop();
    }
  });
}
