import assert from "node:assert/strict";
import { before, test } from "node:test";
import { createPolicyObjects } from "#core/policy/index.ts";
import { customKind } from "#lib/apiserver/kinds/custom-kind.ts";
import type { KindHandler, WriteContext } from "#lib/apiserver/kinds/kind-handler.ts";
import type { Namespace, Pod } from "#lib/kube/index.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { isolationIndex } from "./evaluate.ts";
import { queryDefinitions } from "./index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

// shop: web 10.0.1.1, cart 10.0.1.2, db 10.0.1.3 and fd00::3; other: web 10.0.2.1, outsider 10.0.2.2

const objects = createPolicyObjects();
const runtime = systemRuntime({ level: "error" });
const lookup = { get: () => undefined, list: () => [] };
const handlers = new Map<string, KindHandler>(
  queryDefinitions({ objects, ready: async () => {} }).map((definition) => [
    definition.resource,
    customKind({ definition, store: definition.store as never, runtime, lookup }),
  ]),
);

function handlerOf(resource: string): KindHandler {
  const handler = handlers.get(resource);
  assert.ok(handler !== undefined);
  return handler;
}

const context = (parameters = ""): WriteContext => ({
  user: { username: "u", groups: [] },
  parameters: new URLSearchParams(parameters),
  signal: AbortSignal.timeout(amplePatience),
  dryRun: false,
  fieldManager: "m",
  fieldValidation: "Ignore",
  warn: () => {},
});

interface Answer {
  readonly effectiveMembers: readonly { readonly pod?: { readonly namespace: string; readonly name: string } }[];
  readonly effectiveIPBlocks: readonly unknown[];
  readonly totalMembers: number;
  readonly totalPages: number;
  readonly currentPage: number;
  readonly associatedGroups: readonly { readonly namespace?: string; readonly name: string; readonly uid: string }[];
}

async function ask(resource: string, key: string, parameters?: string): Promise<Answer> {
  const [name = "", namespace = ""] = key.split("/").toReversed();
  return (await handlerOf(resource).get({ namespace, name }, context(parameters))) as unknown as Answer;
}

const members = (answer: Answer): string[] => answer.effectiveMembers.map(({ pod }) => `${pod?.namespace}/${pod?.name}`);
const groups = (answer: Answer): string[] =>
  answer.associatedGroups.map(({ namespace, name }) => (namespace ? `${namespace}/${name}` : name));

async function evaluate(source: string, destination: string): Promise<string> {
  const pod = (key: string) => ({ pod: { namespace: key.split("/")[0], name: key.split("/")[1] } });
  const body = { request: { source: pod(source), destination: pod(destination) } };
  const { response } = (await handlerOf("networkpolicyevaluation").create("", body as never, context())) as unknown as {
    readonly response?: {
      readonly networkPolicy: { readonly name: string };
      readonly ruleIndex?: number;
      readonly rule: { readonly direction: string; readonly action?: string };
    };
  };
  if (response === undefined) return "nothing";
  const { networkPolicy, ruleIndex = 0, rule } = response;
  return `${networkPolicy.name} ${rule.direction} ${ruleIndex === isolationIndex ? "isolation" : ruleIndex} ${rule.action ?? "-"}`;
}

const pods: Readonly<Record<string, readonly string[]>> = {
  "shop/web": ["10.0.1.1"],
  "shop/cart": ["10.0.1.2"],
  "shop/db": ["10.0.1.3", "fd00::3"],
  "other/web": ["10.0.2.1"],
  "other/outsider": ["10.0.2.2"],
};

const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });

before(() => {
  for (const name of ["shop", "other"])
    objects.apply("Namespace", name, { metadata: { name, labels: { "kubernetes.io/metadata.name": name } } } as Namespace);
  for (const [key, ips] of Object.entries(pods)) {
    const [namespace = "", name = ""] = key.split("/");
    const status = { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })), phase: "Running" };
    objects.apply("Pod", key, {
      metadata: { namespace, name, labels: { app: name } },
      spec: { nodeName: "n1", containers: [] },
      status,
    } as Pod);
  }
  const tier = (name: string, priority: number) => objects.apply("Tier", name, { metadata: { name }, spec: { priority } } as never);
  tier("application", 250);
  tier("baseline", 253);
  const group = (kind: "Group" | "ClusterGroup", key: string, spec: object): void => {
    const [name = "", namespace] = key.split("/").toReversed();
    objects.apply(kind, key, { metadata: { name, uid: `uid-${name}`, ...(namespace && { namespace }) }, spec } as never);
  };
  group("ClusterGroup", "everybody", { podSelector: {} });
  group("ClusterGroup", "blocks", { ipBlocks: [{ cidr: "10.0.2.0/24" }, { cidr: "fd00::/64" }] });
  group("ClusterGroup", "parent", { childGroups: ["everybody", "blocks"] });
  group("ClusterGroup", "grandparent", { childGroups: ["parent"] });
  group("Group", "shop/webs", app("web"));
  const kubernetes = { metadata: { namespace: "shop", name: "web", uid: "1" } };
  const spec = { ...app("web"), policyTypes: ["Ingress"], ingress: [{ from: [app("nobody")] }, { from: [app("cart")] }] };
  objects.apply("K8sNetworkPolicy", "shop/web", { ...kubernetes, spec } as never);
  const antrea = (name: string, uid: string, policy: object): void =>
    objects.apply("AntreaClusterNetworkPolicy", name, { metadata: { name, uid }, spec: policy } as never);
  antrea("pass", "2", {
    tier: "application",
    priority: 1,
    appliedTo: [app("web")],
    ingress: [{ action: "Pass", name: "p", from: [{ podSelector: {} }] }],
  });
  antrea("base", "3", {
    tier: "baseline",
    priority: 1,
    appliedTo: [app("web")],
    ingress: [{ action: "Drop", name: "d", from: [app("outsider")] }],
  });
  antrea("late", "4", {
    tier: "application",
    priority: 5,
    ingress: [
      { action: "Allow", name: "db", appliedTo: [app("db")], from: [app("cart")] },
      { action: "Drop", name: "rest", appliedTo: [app("db")], from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.2.2/32"] } }] },
      { action: "Reject", name: "cart", appliedTo: [app("cart")], from: [app("web")] },
    ],
  });
  objects.flush();
});

test("members of groups, with those of their children, in pages", async () => {
  const all = await ask("clustergroupmembers", "everybody");
  assert.deepEqual(members(all), ["shop/cart", "shop/db", "other/outsider", "other/web", "shop/web"]);
  assert.deepEqual([all.totalMembers, all.totalPages, all.currentPage], [5, 1, 1]);
  const page = async (parameters: string): Promise<unknown[]> => {
    const answer = await ask("clustergroupmembers", "everybody", parameters);
    return [members(answer).join(" "), answer.totalMembers, answer.totalPages, answer.currentPage];
  };
  assert.deepEqual(await page("limit=2&page=1"), ["shop/cart shop/db", 5, 3, 1]);
  assert.deepEqual(await page("limit=2&page=3"), ["shop/web", 5, 3, 3]);
  assert.deepEqual(await page("limit=2&page=4"), ["", 5, 3, 4]);
  assert.equal((await page("limit=0&page=4"))[1], 5);
  assert.deepEqual((await page("limit=2")).slice(1), [5, 3, 0]);
  for (const wrong of ["limit=-1", "page=-1", "limit=x", "page=1e3", "limit=99999999999999999999"])
    await assert.rejects(page(wrong), /received invalid page/, wrong);
  const parent = await ask("clustergroupmembers", "parent");
  assert.deepEqual([parent.totalMembers, parent.effectiveIPBlocks.length], [5, 2]);
  assert.deepEqual(members(await ask("groupmembers", "shop/webs")), ["shop/web"]);
  const empty = await ask("clustergroupmembers", "blocks");
  assert.deepEqual([empty.totalMembers, empty.totalPages, empty.currentPage], [0, 0, 0]);
  await assert.rejects(ask("clustergroupmembers", "none"), { code: "NotFound" });
  await assert.rejects(ask("clustergroupmembers", "grandparent"), /must not have childGroups of their own/);
});

test("groups that a pod or an address is in", async () => {
  assert.deepEqual(groups(await ask("groupassociations", "shop/web")), ["everybody", "parent", "shop/webs"]);
  assert.deepEqual(groups(await ask("groupassociations", "shop/none")), []);
  assert.deepEqual(groups(await ask("ipgroupassociations", "10.0.2.1")), ["blocks", "everybody", "parent"]);
  assert.deepEqual(groups(await ask("ipgroupassociations", "fd00::3")), ["blocks", "everybody", "parent"]);
  assert.deepEqual(groups(await ask("ipgroupassociations", "10.0.2.99")), ["blocks", "parent"]);
  assert.deepEqual(groups(await ask("ipgroupassociations", "192.0.2.1")), []);
  await assert.rejects(ask("ipgroupassociations", "10.0.2"), /not a valid IP address/);
});

test("the rule that decides between two pods", async () => {
  const cases: readonly [string, string, string][] = [
    // a Pass gives way to the Kubernetes policy, whose isolation comes before the baseline
    ["shop/cart", "shop/web", "web In 1 Allow"],
    ["other/outsider", "shop/web", "web In isolation -"],
    // without Kubernetes policies, to the baseline
    ["other/outsider", "other/web", "base In 0 Drop"],
    // and where nothing else is, it is the answer
    ["shop/cart", "other/web", "pass In 0 Pass"],
    // rules in their order, those of other subjects not
    ["shop/cart", "shop/db", "late In 0 Allow"],
    ["shop/web", "shop/cart", "late In 2 Reject"],
    // blocks count, but for what they leave out
    ["other/web", "shop/db", "late In 1 Drop"],
    ["other/outsider", "shop/db", "nothing"],
    ["shop/db", "other/outsider", "nothing"],
  ];
  const answers = await Promise.all(cases.map(async ([from, to]) => [from, to, await evaluate(from, to)]));
  assert.deepEqual(answers, cases);
  await assert.rejects(evaluate("shop/none", "shop/db"), { code: "NotFound" });
  await assert.rejects(evaluate("shop/", "shop/db"), /request\.source\.pod must have a namespace and a name/);
});
