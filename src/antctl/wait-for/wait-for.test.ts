import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeEnforcement } from "#core/api/controlplane/index.ts";
import { seconds, virtualClock } from "#lib/runtime/index.ts";
import type { Endpoint } from "../endpoint.ts";
import { EndpointFailed } from "../errors.ts";
import { formatOutcome } from "./command.ts";
import { waitForPolicy } from "./wait-for-policy.ts";

const statusPath = (uid: string): string => `/apis/controlplane.antrea.io/v1beta2/networkpolicies/${uid}/status`;
/** Members as of which a controller tells; what it says is not looked at. */
const asOf = '{"cluster":"c"}';
const askedAsOf = (uid: string): string => `${statusPath(uid)}?asOf=${encodeURIComponent(asOf)}`;
const acnp = (name: string): string => `/apis/crd.antrea.io/v1beta1/clusternetworkpolicies/${name}`;
const node = (nodeName: string, state: NodeEnforcement["state"], afterMilliseconds?: number): NodeEnforcement => ({
  nodeName,
  generation: 2,
  state,
  ...(state === "Proven" && { membersProven: true }),
  ...(afterMilliseconds !== undefined && { afterMilliseconds }),
});

test("it waits for the generation that is written now, until every node has proven it", async () => {
  const { answers, wait } = cluster();
  answers.set(acnp("deny"), { metadata: { uid: "u", generation: 2 } });
  answers.set(statusPath("u"), { generation: 1, nodes: [] });
  const waiting = wait({ name: "deny" });
  await waiting.pass(1);
  answers.set(statusPath("u"), { generation: 2, asOf, nodes: [node("a", "Proven", 40), node("b", "Waiting")] });
  await waiting.pass(1);
  assert.equal(waiting.outcome, undefined);
  answers.set(statusPath("u"), { generation: 2, asOf, nodes: [node("a", "Proven", 40), node("b", "Proven", 60)] });
  await waiting.pass(1);
  assert.equal(
    formatOutcome(await waiting.done, "30s"),
    `acnp/deny generation 2: enforced on 2 of 2 nodes; from change to proof p50 40ms, p99 60ms
NODE   STATE    AFTER   MESSAGE
b      Proven   60ms    <NONE>
a      Proven   40ms    <NONE>
`,
  );
});

test("when the time is over, it names who has not proven it and why", async () => {
  const { answers, wait } = cluster();
  answers.set(acnp("deny"), { metadata: { uid: "u", generation: 2 } });
  const doubting = { ...node("c", "Realized"), message: "no such socket" };
  answers.set(statusPath("u"), { generation: 2, nodes: [node("a", "Proven", 40), node("b", "Waiting"), doubting] });
  const waiting = wait({ name: "deny" });
  await waiting.pass(31);
  const outcome = await waiting.done;
  assert.equal(outcome.enforced, false);
  assert.equal(
    formatOutcome(outcome, "30s"),
    `acnp/deny generation 2: not enforced after 30s: proven by 1 of 3 nodes; from change to proof p50 40ms, p99 40ms
NODE   STATE      AFTER    MESSAGE
b      Waiting    <NONE>   <NONE>
c      Realized   <NONE>   no such socket
`,
  );
});

test("it waits for the members that groups had when it asked first, whatever joins meanwhile", async () => {
  const { answers, wait } = cluster();
  answers.set(acnp("deny"), { metadata: { uid: "u", generation: 2 } });
  const lacking = { ...node("a", "Proven", 40), membersProven: false };
  answers.set(statusPath("u"), { generation: 2, asOf, nodes: [lacking] });
  answers.set(askedAsOf("u"), { generation: 2, asOf: '{"later":true}', nodes: [lacking] });
  const waiting = wait({ name: "deny" });
  await waiting.pass(2);
  assert.equal(waiting.outcome, undefined);
  answers.set(askedAsOf("u"), { generation: 2, asOf: '{"later":true}', nodes: [{ ...lacking, membersProven: true }] });
  await waiting.pass(1);
  assert.equal((await waiting.done).enforced, true);

  answers.set(askedAsOf("u"), { generation: 2, asOf, nodes: [lacking] });
  const late = wait({ name: "deny" });
  await late.pass(31);
  assert.match(
    formatOutcome(await late.done, "30s"),
    /not enforced after 30s: proven by 0 of 1 nodes.*\n.*\na +Proven +40ms +not proven with the members/,
  );
});

test("who does not tell of members counts without them, and is named", async () => {
  const { answers, wait } = cluster();
  answers.set(acnp("deny"), { metadata: { uid: "u", generation: 2 } });
  const old: NodeEnforcement = { nodeName: "old", generation: 2, state: "Proven" };
  answers.set(statusPath("u"), { generation: 2, asOf, nodes: [old, node("new", "Proven")] });
  const one = wait({ name: "deny" });
  await one.pass(1);
  assert.match(
    formatOutcome(await one.done, "30s"),
    /enforced on 2 of 2 nodes\nwhether later members of its groups are proven is not known of old\n/,
  );
  answers.set(statusPath("u"), { generation: 2, nodes: [old] });
  const other = wait({ name: "deny" });
  await other.pass(1);
  assert.match(
    formatOutcome(await other.done, "30s"),
    /enforced on 1 of 1 nodes\nwhether .* is not known: the controller does not follow them\n/,
  );
});

test("what is staged is never enforced", async () => {
  const { answers, wait } = cluster();
  answers.set(acnp("deny"), { metadata: { uid: "u", generation: 2 } });
  answers.set(statusPath("u"), { generation: 2, staged: true, nodes: [node("a", "Proven", 40)] });
  const waiting = wait({ name: "deny" });
  await waiting.pass(31);
  assert.match(formatOutcome(await waiting.done, "30s"), /not enforced after 30s: it is staged/);
});

test("a controller that is away is asked again, and named when it stays away", async () => {
  const { answers, wait } = cluster();
  answers.set(acnp("deny"), { metadata: { uid: "u", generation: 2 } });
  answers.set(statusPath("u"), new EndpointFailed("antrea-controller", "503: not ready", { status: 503 }));
  const first = wait({ name: "deny" });
  await first.pass(2);
  answers.set(statusPath("u"), { generation: 2, nodes: [] });
  await first.pass(1);
  assert.equal((await first.done).enforced, true);
  answers.set(statusPath("u"), new EndpointFailed("antrea-controller", "503: not ready", { status: 503 }));
  const second = wait({ name: "deny" });
  await second.pass(31);
  assert.match(formatOutcome(await second.done, "30s"), /not enforced after 30s: antrea-controller: 503: not ready/);
});

test("a policy is found by its name; what is not there, or there twice, is told", async () => {
  const { answers, wait } = cluster();
  const refusal = async (waiting: ReturnType<typeof wait>, expected: RegExp): Promise<void> => {
    await waiting.pass(6);
    await assert.rejects(
      waiting.done,
      (error: Error & { code?: string }) => error.code === "POLICY_NOT_FOUND" && expected.test(error.message),
    );
  };
  await refusal(wait({ name: "none" }), /no policy none of the whole cluster; .* -n NAMESPACE/);
  await refusal(wait({ name: "none", namespace: "shop" }), /no policy shop\/none/);
  answers.set("/apis/controlplane.antrea.io/v1beta2/networkpolicies", { items: [] });
  await refusal(wait({ name: "none" }, "controller"), /no policy none/);
  answers.set("/apis/crd.antrea.io/v1beta1/namespaces/shop/networkpolicies/web", { metadata: { uid: "a", generation: 1 } });
  answers.set("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/web", { metadata: { uid: "k", generation: 7 } });
  await refusal(wait({ name: "web", namespace: "shop" }), /several policies: say --type annp or netpol/);
  answers.set(statusPath("k"), { generation: 7, nodes: [] });
  const waiting = wait({ name: "web", namespace: "shop", type: "netpol" });
  await waiting.pass(1);
  assert.deepEqual((await waiting.done).policy, { name: "web", namespace: "shop", type: "netpol", uid: "k" });
});

test("in a controller's Pod it is found among what is computed", async () => {
  const { answers, wait } = cluster();
  const sourceRef = { type: "K8sNetworkPolicy", namespace: "shop", name: "web", uid: "k" };
  answers.set("/apis/controlplane.antrea.io/v1beta2/networkpolicies", { items: [{ metadata: { generation: 3 }, sourceRef }] });
  answers.set(statusPath("k"), { generation: 3, nodes: [] });
  const waiting = wait({ name: "web", namespace: "shop" }, "controller");
  await waiting.pass(1);
  assert.deepEqual([(await waiting.done).enforced, (await waiting.done).generation], [true, 3]);
});

/** Answers what it was told to, and that anything else is not there. */
function cluster() {
  const answers = new Map<string, unknown>();
  const clock = virtualClock();
  const ask: Endpoint = (path) => {
    const answer = answers.get(path) ?? answers.get(path.replace(/\?.*/, ""));
    if (answer instanceof Error) return Promise.reject(answer);
    return answer === undefined ? Promise.reject(new EndpointFailed("test", "404", { status: 404 })) : Promise.resolve(answer);
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    answers,
    wait(policy: Parameters<typeof waitForPolicy>[0]["policy"], mode: "remote" | "controller" = "remote") {
      const done = waitForPolicy({ ask, mode, policy, generation: undefined, timeout: seconds(30), clock });
      const state: { outcome: unknown } = { outcome: undefined };
      done.then(
        (outcome) => {
          state.outcome = outcome;
        },
        () => {},
      );
      return {
        done,
        get outcome() {
          return state.outcome;
        },
        async pass(count: number): Promise<void> {
          for (let tenth = 0; tenth < count * 10; tenth++) {
            await settled();
            clock.advance(100);
          }
          await settled();
        },
      };
    },
  };
}
