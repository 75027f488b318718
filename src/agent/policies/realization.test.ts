import assert from "node:assert/strict";
import { test } from "node:test";
import { type ComputedRevisions, decodeTold, laterSession, type NetworkPolicy, type Told } from "#core/api/controlplane/index.ts";
import { type KubeClient, KubeApiError, type KubeObject } from "#lib/kube/index.ts";
import { seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import type { Proof } from "./proof-rounds.ts";
import { reportRealization } from "./realization.ts";

const ours = { ours: true };
const noFailures = (): ReadonlyMap<string, string> => new Map();
const policy = (name: string, generation: number, type: NetworkPolicy["sourceRef"]["type"] = "AntreaNetworkPolicy"): NetworkPolicy => ({
  name,
  uid: name,
  generation,
  sourceRef: { type, namespace: "shop", name, uid: name },
  appliedToGroups: [],
  rules: [],
});

const upToOf = (computed: string | undefined): string =>
  computed === undefined ? "" : ` up to ${(JSON.parse(computed) as ComputedRevisions).pods}`;

/** A controller that hears reports, and refuses them while `refusal` is there. */
function start() {
  const heard: string[] = [];
  /** What each request said of its place, refused or not. */
  const places: (Told | undefined)[] = [];
  const controller: { refusal: unknown } = { refusal: undefined };
  const client = {
    create(
      _resource: unknown,
      status: {
        readonly nodes?: readonly Readonly<Record<string, unknown>>[];
        readonly computed?: string;
        readonly items?: readonly { readonly metadata: { readonly name: string } }[];
      },
      { name, subresource }: { name: string; subresource: string },
    ) {
      places.push(decodeTold(status));
      if (controller.refusal !== undefined) return Promise.reject(controller.refusal);
      heard.push(
        status.items === undefined
          ? `${name}/${subresource} ${JSON.stringify(status.nodes?.map(({ revision: _revision, ...node }) => node))}`
          : `${name}/${subresource} of ${status.items.map(({ metadata }) => metadata.name).join(" ")}${upToOf(status.computed)}`,
      );
      return Promise.resolve({} as KubeObject);
    },
  } as unknown as KubeClient;
  const clock = virtualClock();
  const stop = new AbortController();
  const runtime = { clock, random: seededRandom(1), logger: silentLogger };
  const switchSays: { proof: Proof } = { proof: { readMs: 0 } };
  const prove = () => Promise.resolve(switchSays.proof);
  const reports = reportRealization({
    runtime,
    clients: () => [client],
    node: "n1",
    prove,
    membersEvery: () => seconds(1),
    signal: stop.signal,
  });
  const said = async (): Promise<string[]> => {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    return heard.splice(0).sort();
  };
  return { reports, said, places, clock, controller, switchSays, stop };
}

test("a generation is told when it is proven, once; those of Kubernetes policies to controllers that hear of them", async () => {
  const { reports, said, stop } = start();
  reports.set(policy("a", 2));
  reports.set(policy("k", 1, "K8sNetworkPolicy"));
  assert.deepEqual(await said(), []);
  reports.inForce(noFailures);
  reports.inForce(noFailures);
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":2,"proven":true}]']);
  reports.set(policy("a", 3));
  reports.inForce(noFailures);
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":3,"proven":true}]']);
  reports.tellAgain(ours);
  assert.deepEqual(await said(), ["n1/status of k a"]);
  stop.abort();
});

test("what the switch contradicts is not told until it is right; what cannot be known is told as such, and again when it is", async () => {
  const { reports, said, clock, switchSays, stop } = start();
  switchSays.proof = { readMs: 0, contradiction: "1 flow is not as it should be" };
  reports.set(policy("a", 1));
  reports.inForce(noFailures);
  assert.deepEqual(await said(), []);
  switchSays.proof = { readMs: 0, doubt: "no such socket" };
  clock.advance(seconds(1));
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":1,"proven":false,"message":"no such socket"}]']);
  switchSays.proof = { readMs: 0 };
  clock.advance(seconds(1));
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":1,"proven":true}]']);
  clock.advance(seconds(100));
  assert.deepEqual(await said(), []);
  stop.abort();
});

test("to a controller of ours many are told in few requests, and all again when one was not taken", async () => {
  const { reports, said, clock, controller, stop } = start();
  reports.tellAgain(ours);
  for (let count = 0; count < 450; count++) reports.set(policy(`p${count}`, 1, "K8sNetworkPolicy"));
  reports.inForce(noFailures);
  const sizes = (requests: readonly string[]): number[] =>
    requests.map((text) => text.split(" ").length - 2).sort((one, other) => one - other);
  assert.deepEqual(sizes(await said()), [50, 200, 200]);
  controller.refusal = new Error("connection refused");
  reports.set(policy("p7", 2, "K8sNetworkPolicy"));
  reports.inForce(noFailures);
  assert.deepEqual(await said(), []);
  controller.refusal = undefined;
  clock.advance(seconds(60));
  assert.deepEqual(await said(), ["n1/status of p7"]);
  stop.abort();
});

test("what became another without its generation is told again once it is proven: as when it is staged no more", async () => {
  const { reports, said, stop } = start();
  reports.set({ ...policy("a", 1), staged: true });
  reports.inForce(noFailures);
  assert.equal((await said()).length, 1);
  reports.set({ ...policy("a", 1), staged: true });
  reports.inForce(noFailures);
  assert.deepEqual(await said(), []);
  reports.set(policy("a", 1));
  reports.inForce(noFailures);
  assert.equal((await said()).length, 1);
  stop.abort();
});

test("what changed or went while it was being proven is not told", async () => {
  const { reports, said, stop } = start();
  reports.set(policy("a", 1));
  reports.set(policy("b", 1));
  reports.inForce(noFailures);
  reports.set(policy("a", 2));
  reports.remove("b");
  assert.deepEqual(await said(), []);
  reports.inForce(noFailures);
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":2,"proven":true}]']);
  stop.abort();
});

test("a controller of ours hears with it what of the cluster is proven, members of groups included; again when they change", async () => {
  const { reports, said, clock, stop } = start();
  const upTo = (pods: string): ComputedRevisions => ({ cluster: "c", pods, namespaces: "", networkpolicies: "" });
  reports.set(policy("a", 1));
  reports.inForce(noFailures, upTo("5"));
  await said();
  reports.tellAgain(ours);
  assert.deepEqual(await said(), ["n1/status of a up to 5"]);
  reports.membersChanged();
  reports.inForce(noFailures, upTo("6"));
  assert.deepEqual(await said(), [], "not twice in a second");
  clock.advance(seconds(1));
  assert.deepEqual(await said(), ["n1/status of  up to 6"]);
  reports.inForce(noFailures, upTo("7"));
  clock.advance(seconds(9));
  assert.deepEqual(await said(), [], "one controller needs no word of it that nothing changed");
  // One of three streams was not waited for.
  reports.membersChanged();
  reports.inForce(noFailures, { ...upTo("7"), changed: { pods: "8" } });
  clock.advance(seconds(1));
  assert.deepEqual(await said(), ["n1/status of  up to 7"]);
  reports.inForce(noFailures, { ...upTo("8"), changed: { pods: "8" } });
  clock.advance(seconds(1));
  assert.deepEqual(await said(), ["n1/status of  up to 8"], "a change of which it told a part is whole");
  reports.inForce(noFailures, { ...upTo("9"), changed: { pods: "8" } });
  clock.advance(seconds(9));
  assert.deepEqual(await said(), []);
  reports.membersChanged();
  reports.inForce(noFailures, undefined);
  clock.advance(seconds(9));
  assert.deepEqual(await said(), [], "not all of it could be handed over");
  stop.abort();
});

test("what is not enforced as written is a failure as long as it is so", async () => {
  const { reports, said, stop } = start();
  reports.set(policy("a", 1));
  reports.inForce(() => new Map([["a", "no room"]]));
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":1,"realizationFailure":true,"message":"no room"}]']);
  reports.inForce(noFailures);
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":1,"proven":true}]']);
  stop.abort();
});

test("a controller that cannot be reached is told later, one that began anew everything, one that lost the policy nothing", async () => {
  const { reports, said, clock, controller, stop } = start();
  controller.refusal = new Error("connection refused");
  reports.set(policy("a", 1));
  reports.inForce(noFailures);
  assert.deepEqual(await said(), []);
  controller.refusal = undefined;
  clock.advance(seconds(60));
  assert.equal((await said()).length, 1);
  reports.tellAgain(ours);
  assert.equal((await said()).length, 1);
  controller.refusal = new KubeApiError("create", 404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound" });
  reports.tellAgain(ours);
  await said();
  controller.refusal = undefined;
  clock.advance(seconds(60));
  assert.deepEqual(await said(), []);
  reports.remove("a");
  reports.tellAgain(ours);
  assert.deepEqual(await said(), []);
  stop.abort();
});

test("requests tell their place; a controller that heard of a later life hears of one that began behind it", async () => {
  const { reports, said, places, clock, controller, stop } = start();
  reports.set(policy("a", 1));
  reports.inForce(noFailures);
  await said();
  const began = places[0]?.session.start ?? 0;
  assert.equal(places[0]?.sequence, 1);
  const causes = [{ reason: laterSession, message: String(began + 3_600_000) }];
  controller.refusal = new KubeApiError("POST", 409, { kind: "Status", apiVersion: "v1", status: "Failure", details: { causes } });
  reports.set(policy("a", 2));
  reports.inForce(noFailures);
  await said();
  controller.refusal = undefined;
  clock.advance(seconds(1));
  assert.deepEqual(await said(), ['a/status [{"nodeName":"n1","generation":2,"proven":true}]']);
  assert.equal(places.at(-1)?.session.start, began + 3_600_001);
  assert.deepEqual(new Set(places.map((place) => place?.session.id)).size, 1);
  assert.deepEqual(
    places.map((place) => place?.sequence),
    places.map((_, index) => index + 1),
  );
  stop.abort();
});
