import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { agentKeys } from "../src/agent/config.ts";
import { controllerKeys } from "../src/controller/config.ts";
import { parseConfig } from "../src/lib/config-file/index.ts";
import { besideGoText, deployedChart, manifestText, upstreamText } from "./generate-deploy.ts";

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly { readonly verbs: readonly string[]; readonly resources?: readonly string[] }[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly name: string }[];
  readonly spec?: { readonly template?: { readonly spec: PodSpec }; readonly service?: { readonly name: string } };
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
}

interface Container {
  readonly volumeMounts: readonly { readonly name: string }[];
}

const text = readFileSync(new URL("../deploy/antrea.yml", import.meta.url), "utf8");
const objects = parseAllDocuments(text)
  .map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as Manifest | null;
  })
  .filter((object) => object !== null);
const names = (kind: string): string[] => objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name);

test("deploy/antrea.yml is what the code declares", () => {
  assert.equal(text, manifestText(), "run node tools/generate-deploy.ts");
  const netdev = readFileSync(new URL("../deploy/antrea-netdev.yml", import.meta.url), "utf8");
  assert.equal(netdev, manifestText("netdev"), "run node tools/generate-deploy.ts");
  const upstream = readFileSync(new URL("../deploy/policy-networking-k8s-io.yml", import.meta.url), "utf8");
  assert.equal(upstream, upstreamText(), "run node tools/generate-deploy.ts");
  const besideGo = readFileSync(new URL("../deploy/beside-antrea-go.yml", import.meta.url), "utf8");
  assert.equal(besideGo, besideGoText(), "run node tools/generate-deploy.ts");
});

test("deploy/chart is what the code declares, and opens what its values name", () => {
  for (const [path, content] of deployedChart())
    assert.equal(readFileSync(new URL(`../deploy/chart/${path}`, import.meta.url), "utf8"), content, "run node tools/generate-deploy.ts");
  const template = deployedChart().get("templates/antrea.yaml") ?? "";
  assert.doesNotMatch(template, /OPEN-/);
  const values = parse(deployedChart().get("values.yaml") ?? "") as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const used = [...`${template}${deployedChart().get("templates/_helpers.tpl")}`.matchAll(/\.Values\.(\w+)\.(\w+)/g)];
  for (const [text, group = "", key = ""] of used) assert.ok(key in (values[group] ?? {}), text);
  for (const [group, keys] of Object.entries(values))
    for (const key of Object.keys(keys))
      assert.ok(
        used.some(([, one, other]) => one === group && other === key),
        `${group}.${key} is never used`,
      );
});

test("what an object names is there", () => {
  for (const { kind, roleRef, subjects = [], spec } of objects) {
    // Kubernetes itself has this role in kube-system.
    if (roleRef && roleRef.name !== "extension-apiserver-authentication-reader") assert.ok(names(roleRef.kind).includes(roleRef.name));
    for (const { name } of subjects) assert.ok(names("ServiceAccount").includes(name));
    if (kind === "APIService") assert.ok(names("Service").includes(spec?.service?.name ?? ""));
    const pod = spec?.template?.spec;
    if (pod === undefined) continue;
    assert.ok(names("ServiceAccount").includes(pod.serviceAccountName));
    const volumes = pod.volumes.map(({ name }) => name);
    for (const { configMap } of pod.volumes) if (configMap) assert.ok(names("ConfigMap").includes(configMap.name));
    for (const container of [...(pod.initContainers ?? []), ...pod.containers])
      for (const mount of container.volumeMounts) assert.ok(volumes.includes(mount.name), mount.name);
  }
});

test("the configuration files are ones that the programs take without a word", () => {
  const data = objects.find(({ kind }) => kind === "ConfigMap")?.data ?? {};
  const uncommented = (file: string): string => (data[file] ?? "").replaceAll(/^# (?=[\w-]+:| )/gm, "");
  for (const [file, keys] of [
    ["antrea-agent.conf", agentKeys],
    ["antrea-controller.conf", controllerKeys],
  ] as const)
    assert.deepEqual(parseConfig(data[file] ?? "", { file, keys }).notices, []);
  assert.match(uncommented("antrea-controller.conf"), /^apiPort: 10349$/m);
  const conflist = JSON.parse(data["antrea-cni.conflist"] ?? "") as { readonly plugins: readonly { readonly type: string }[] };
  assert.equal(conflist.plugins[0]?.type, "antrea");
});

test("nobody gets a right to everything", () => {
  for (const { metadata, rules = [] } of objects)
    for (const rule of rules) assert.ok(!rule.verbs.includes("*") && !rule.resources?.includes("*"), metadata.name);
});
