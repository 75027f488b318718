import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { judgedNetworkPolicies } from "#lib/apiserver/custom-resources/testing/judged-network-policies.ts";
import { call } from "#lib/apiserver/testing/http.ts";
import { startTestServer } from "#lib/apiserver/testing/test-server.ts";
import { upstreamDefinitions } from "./index.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const published = fileURLToPath(new URL("../../../../../shared/crds/", import.meta.url));

for (const definition of upstreamDefinitions) {
  const { plural, kind } = definition.spec.names;
  const file = `${plural}.experimental.yaml`;

  test(`our definition of ${kind} takes and refuses what the published one does`, async () => {
    const judged = judgedNetworkPolicies[file];
    assert.ok(judged);
    const server = await startTestServer({ customResources: true });
    try {
      const installed = await call(server, { method: "POST", path: definitions, body: definition });
      assert.equal(installed.code, 201, installed.text);
      for (const [index, { what, spec, refused }] of judged.cases.entries()) {
        const body = { kind, metadata: { name: `case-${index}` }, spec };
        const { code, text } = await call(server, { method: "POST", path: judged.path, body });
        assert.equal(code, refused === undefined ? 201 : 422, `${what}: ${text}`);
      }
    } finally {
      await server.stop();
    }
  });

  const skip = !existsSync(published) && "the published CRDs are not beside the project (../shared/crds)";
  test(`our definition of ${kind} has the fields, bounds and rules of the published one`, { skip }, () => {
    const theirs = parse(readFileSync(`${published}${file}`, "utf8")) as typeof definition;
    const specOf = ({ spec }: typeof definition): unknown => comparable(spec.versions[0]?.schema.openAPIV3Schema.properties?.spec);
    assert.deepEqual(specOf(definition), specOf(theirs));
    assert.deepEqual(
      [definition.metadata.name, definition.spec.scope, definition.spec.names.shortNames, definition.spec.versions[0]?.name],
      [theirs.metadata.name, theirs.spec.scope, theirs.spec.names.shortNames, theirs.spec.versions[0]?.name],
    );
  });
}

/** Without words for people, the order of required fields, and the names of variables in rules; the published pattern of names says `A-z` for `A-Z_`. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.every((each) => typeof each === "string") ? value.toSorted() : value.map(comparable);
  if (typeof value === "string") return value.replaceAll("a-zA-z0-9]", "a-zA-Z0-9_]").replaceAll(/\b(port|protocol)\b/g, "it");
  if (typeof value !== "object" || value === null) return value;
  const words = new Set(["description", "message"]);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !words.has(key) || typeof inner !== "string")
      .map(([key, inner]) => [key, comparable(inner)]),
  );
}
