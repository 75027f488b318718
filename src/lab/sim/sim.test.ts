import assert from "node:assert/strict";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { minutes, seconds } from "#lib/runtime/index.ts";
import { type Build, loadBuild, thisBuild } from "./builds.ts";
import { noPeers } from "#controller/exchange/follow-peers.ts";
import { generateScenario } from "./generate.ts";
import { mutants } from "./mutants.ts";
import { snapshotFile } from "./node/node.ts";
import { runScenario } from "./run.ts";
import { parseScenario, type Scenario, type SimEvent } from "./scenario.ts";
import { shrink } from "./shrink.ts";
import { createSimulations } from "./testing/simulations.ts";

const { run, close } = createSimulations();
after(close);

const small = (seed: number): Scenario => generateScenario({ seed, nodes: 3, pods: 9, duration: seconds(40), faultsPerMinute: 12 });

test("equal seeds run equally, another seed otherwise; nothing is wrong", async () => {
  const [one, again, other] = [await run({ scenario: small(1) }), await run({ scenario: small(1) }), await run({ scenario: small(2) })];
  assert.deepEqual(one.problems, []);
  assert.deepEqual(other.problems, []);
  assert.equal(one.fingerprint, again.fingerprint);
  assert.notEqual(one.fingerprint, other.fingerprint);
  assert.ok(one.figures.packets > 200 && one.figures.runningPods > 3);
});

test("with three controllers that are killed, paused, cut off and left behind nothing is wrong", async () => {
  const size = { nodes: 3, pods: 9, controllers: 3, duration: seconds(60), faultsPerMinute: 15 };
  for (const seed of [1, 2]) {
    const scenario = generateScenario({ seed, ...size });
    assert.deepEqual(parseScenario(JSON.stringify(scenario), "file"), scenario);
    assert.deepEqual((await run({ scenario })).problems, [], `seed ${seed}`);
  }
});

const shop = { namespace: "shop" } as const;
const pod = (name: string, node: string, at = 0): SimEvent => ({ at, do: "create-pod", ...shop, name, node, labels: { app: name } });
/** All pods are closed, but for those of these applications. */
const open = (at: number, ...applications: readonly string[]): SimEvent => ({
  at,
  do: "put-policy",
  ...shop,
  name: "open",
  spec: {
    podSelector: {},
    policyTypes: ["Ingress"],
    ingress: [{ from: applications.map((app) => ({ podSelector: { matchLabels: { app } } })) }],
  },
});
const start = [open(0, "one", "two"), pod("one", "node-1"), pod("two", "node-2"), pod("three", "node-1")];
const scenario = (...events: readonly SimEvent[]): Scenario => ({
  seed: 1,
  nodes: 2,
  duration: seconds(30),
  events: [...start, ...events],
});
test("an agent that loses its database while it starts waits for it, and goes on", async () => {
  const events: SimEvent[] = [
    // It comes back without a way to the API, gets one again when its database is away, and only then makes its bridge.
    { at: seconds(8), do: "isolate", host: "node-2", for: seconds(15) },
    { at: seconds(9), do: "kill", of: "node-2", for: seconds(1) },
    { at: seconds(20), do: "lose-database", node: "node-2", for: seconds(8) },
  ];
  assert.deepEqual((await run({ scenario: scenario(...events) })).problems, []);
});

test("an agent that is killed while it starts, too, knows which pods were open", async () => {
  const events: SimEvent[] = [
    // The API keeps it waiting, and a controller tells of a change meanwhile, which goes to its disk.
    { at: seconds(8), do: "slow-api", delay: seconds(2), failing: 0, for: seconds(12) },
    { at: seconds(9), do: "kill", of: "node-1", for: seconds(0.5) },
    {
      at: seconds(10),
      do: "put-policy",
      ...shop,
      name: "shut",
      spec: { podSelector: { matchLabels: { shut: "" } }, policyTypes: ["Egress"] },
    },
    { at: seconds(12), do: "kill", of: "node-1", for: seconds(0.5) },
  ];
  assert.deepEqual((await run({ scenario: scenario(...events) })).problems, []);
});

/** Longer apart than a change may take to be in force. */
const sixTimes = (make: (index: number) => SimEvent): SimEvent[] =>
  Array.from({ length: 6 }, (_, index) => ({ ...make(index), at: seconds(5 + 4 * index) }));

/** For each mistake, one after the other, what reveals it. */
const revealing: Readonly<Record<string, Scenario>> = {
  // Another one has the same subjects: without any, a policy that was missed would not matter.
  "misses-policy-deletions": scenario(
    { at: 0, do: "put-policy", ...shop, name: "shut", spec: { podSelector: {}, policyTypes: ["Ingress"] } },
    { at: seconds(5), do: "delete-policy", ...shop, name: "open" },
  ),
  "misses-fifth-peer-change": scenario(
    ...sixTimes((index) => ({ at: 0, do: "label-pod", ...shop, name: "three", labels: { app: index % 2 === 0 ? "two" : "three" } })),
  ),
  "misses-third-subject-change": scenario(
    {
      at: seconds(3),
      do: "put-policy",
      ...shop,
      name: "shut",
      spec: { podSelector: { matchLabels: { shut: "" } }, policyTypes: ["Egress"] },
    },
    { at: seconds(3), do: "label-pod", ...shop, name: "one", labels: { app: "one", shut: "" } },
    ...sixTimes((index) => ({
      at: 0,
      do: "label-pod",
      ...shop,
      name: "three",
      labels: { app: "three", ...(index % 2 === 0 ? { shut: "" } : {}) },
    })),
  ),
  "removes-before-adding": scenario(...sixTimes((index) => (index % 2 === 0 ? open(0, "two") : open(0, "two", "one")))),
  "never-removes": scenario({ at: seconds(5), do: "delete-pod", ...shop, name: "three" }),
  // What the agent enforces, and its snapshot lacks, goes while it is away.
  "compares-nothing": scenario(
    { at: seconds(4), do: "fill-disk", node: "node-2", for: seconds(15) },
    { at: seconds(5), do: "put-policy", ...shop, name: "shut", spec: { podSelector: {}, policyTypes: ["Egress"] } },
    { at: seconds(7), do: "kill", of: "node-2", for: seconds(5) },
    { at: seconds(8), do: "delete-policy", ...shop, name: "shut" },
  ),
  // Whatever becomes of the first of two controllers, the second one is there, and a change is in force as soon as ever.
  "knows-one-controller": {
    ...scenario(
      { at: seconds(6), do: "kill", of: "controller", for: seconds(4) },
      { at: seconds(7), do: "put-policy", ...shop, name: "shut", spec: { podSelector: {}, policyTypes: ["Egress"] } },
      // Its recovery counts as trouble: the next one is later.
      { at: seconds(30), do: "pause", of: "controller", for: seconds(5) },
      { at: seconds(31), do: "delete-policy", ...shop, name: "shut" },
      { at: seconds(55), do: "isolate", host: "controller", for: seconds(6) },
      { at: seconds(56), do: "put-policy", ...shop, name: "shut", spec: { podSelector: {}, policyTypes: ["Egress"] } },
    ),
    controllers: 2,
    duration: seconds(65),
  },
  // One of two hears nothing of the API, and does not know it, when the other dies; then the other way round.
  "believes-who-is-behind": {
    ...scenario(
      { at: seconds(5), do: "fall-behind", of: "controller", for: seconds(15) },
      open(seconds(7), "two"),
      { at: seconds(13), do: "kill", of: "controller-2", for: seconds(8) },
      { at: seconds(45), do: "fall-behind", of: "controller-2", for: seconds(15) },
      open(seconds(47), "one"),
      { at: seconds(53), do: "kill", of: "controller", for: seconds(8) },
    ),
    controllers: 2,
    duration: seconds(70),
  },
  "misses-antrea-policies": scenario({
    at: seconds(5),
    do: "put-antrea-policy",
    ...shop,
    name: "shut",
    spec: {
      priority: 1,
      appliedTo: [{ podSelector: { matchLabels: { app: "one" } } }],
      ingress: [{ action: "Drop", from: [{ podSelector: {} }] }],
    },
  }),
  "misses-upstream-policies": scenario({
    at: seconds(5),
    do: "put-upstream-cluster-policy",
    name: "shut",
    spec: {
      tier: "Admin",
      priority: 1,
      subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "one" } } } },
      ingress: [{ action: "Deny", from: [{ namespaces: {} }] }],
    },
  }),
  "misses-group-changes": scenario(
    { at: seconds(3), do: "put-cluster-group", name: "shut", spec: { podSelector: { matchLabels: { app: "three" } } } },
    {
      at: seconds(4),
      do: "put-cluster-policy",
      name: "shut",
      spec: {
        priority: 1,
        tier: "application",
        appliedTo: [{ podSelector: {} }],
        ingress: [{ action: "Drop", from: [{ group: "shut" }] }],
      },
    },
    { at: seconds(10), do: "put-cluster-group", name: "shut", spec: { podSelector: { matchLabels: { app: "two" } } } },
  ),
  "writes-no-status": scenario({
    at: seconds(3),
    do: "put-cluster-policy",
    name: "shut",
    spec: {
      priority: 1,
      tier: "application",
      appliedTo: [{ podSelector: {} }],
      ingress: [{ action: "Drop", from: [{ podSelector: {} }] }],
    },
  }),
  // The only one who serves serves no more.
  "misses-endpoint-changes": scenario(
    {
      at: seconds(3),
      do: "put-service",
      ...shop,
      name: "one",
      spec: { selector: { app: "one" }, ipFamilyPolicy: "RequireDualStack", ports: [{ protocol: "UDP", port: 80 }] },
    },
    { at: seconds(10), do: "label-pod", ...shop, name: "one", labels: { app: "two" } },
  ),
  // The first of two controllers has another address when the second one goes.
  "keeps-first-controllers": {
    ...scenario(
      { at: seconds(6), do: "kill", of: "controller", for: seconds(2) },
      { at: seconds(26), do: "kill", of: "controller-2", for: seconds(6) },
      { at: seconds(27), do: "put-policy", ...shop, name: "shut", spec: { podSelector: {}, policyTypes: ["Egress"] } },
    ),
    controllers: 2,
    duration: seconds(35),
  },
  "opens-before-judging": scenario({ at: seconds(5), do: "pause", of: "controller", for: seconds(14) }, pod("four", "node-1", seconds(6))),
};

for (const { name } of mutants)
  test(`is noticed: ${name}`, async (context) => {
    const revealed = revealing[name];
    assert.ok(revealed, "every mistake has a scenario that reveals it");
    assert.deepEqual((await run({ scenario: revealed })).problems, [], "nothing is wrong without the mistake");
    const { problems } = await run({ scenario: revealed, mutant: name, untilWrong: true });
    assert.notEqual(problems.length, 0);
    context.diagnostic(problems[0] ?? "");
  });

test("a pod that a change of its labels moves from one policy to another is at no moment under neither, whatever the streams lose", async () => {
  const closed = (kind: string): SimEvent => ({
    at: 0,
    do: "put-policy",
    ...shop,
    name: kind,
    spec: { podSelector: { matchLabels: { kind } }, policyTypes: ["Ingress"] },
  });
  const moving = Array.from(
    { length: 40 },
    (_, index): SimEvent => ({
      at: seconds(5 + index / 2),
      do: "label-pod",
      ...shop,
      name: "one",
      labels: { kind: index % 2 === 0 ? "b" : "a" },
    }),
  );
  const one: SimEvent = { at: 0, do: "create-pod", ...shop, name: "one", node: "node-1", labels: { kind: "a" } };
  const losing: SimEvent = { at: seconds(15), do: "lose", segments: 100, for: seconds(10) };
  const outcome = await run({
    scenario: {
      seed: 1,
      nodes: 2,
      duration: seconds(30),
      events: [closed("a"), closed("b"), one, pod("two", "node-2"), ...moving, losing].sort((first, second) => first.at - second.at),
    },
    mixing: "objects",
  });
  assert.deepEqual(outcome.problems, []);
  assert.ok(outcome.figures.packets > 100);
});

test("policies of tiers are judged before those of Kubernetes: an agent that misses the end of one is noticed", async () => {
  const everybody = { podSelector: {}, namespaceSelector: {} };
  const through = (action: string) => ({
    tier: "emergency",
    priority: 1,
    appliedTo: [everybody],
    ingress: [{ action, from: [everybody] }],
  });
  // All is dropped, whatever the policies of Kubernetes allow; then they decide; then all is allowed, and in the end they decide again.
  const tiered = scenario(
    // With the same subjects and no effect: a policy without subjects could be missed.
    { at: seconds(3), do: "put-cluster-policy", name: "second", spec: { ...through("Pass"), tier: "application" } },
    { at: seconds(4), do: "put-cluster-policy", name: "first", spec: through("Drop") },
    { at: seconds(10), do: "put-cluster-policy", name: "first", spec: through("Pass") },
    { at: seconds(16), do: "put-cluster-policy", name: "first", spec: through("Allow") },
    { at: seconds(22), do: "delete-cluster-policy", name: "first" },
  );
  assert.deepEqual((await run({ scenario: tiered })).problems, []);
  const { problems, firstWrong } = await run({
    scenario: tiered,
    mutant: "misses-policy-deletions",
    untilWrong: true,
  });
  assert.notEqual(problems.length, 0);
  assert.ok((firstWrong ?? 0) >= seconds(22));
});

test("policies of the Baseline are judged where no policy of Kubernetes isolates: an agent that misses the end of one is noticed", async () => {
  const all = { namespaces: {} };
  const toAll = (tier: string, action: string) => ({ tier, priority: 1, subject: all, egress: [{ action, to: [all] }] });
  // Nothing isolates pods that send. All is accepted before the Baseline that denies it, then passed on to it, and in the end it is gone.
  const behind = scenario(
    { at: seconds(3), do: "put-upstream-cluster-policy", name: "first", spec: toAll("Admin", "Accept") },
    { at: seconds(4), do: "put-upstream-cluster-policy", name: "last", spec: toAll("Baseline", "Deny") },
    { at: seconds(10), do: "put-upstream-cluster-policy", name: "first", spec: toAll("Admin", "Pass") },
    { at: seconds(16), do: "delete-upstream-cluster-policy", name: "last" },
  );
  assert.deepEqual((await run({ scenario: behind })).problems, []);
  const { problems, firstWrong } = await run({ scenario: behind, mutant: "misses-policy-deletions", untilWrong: true });
  assert.notEqual(problems.length, 0);
  assert.ok((firstWrong ?? 0) >= seconds(16));
});

test("controllers that tell each other nothing are noticed: a sum goes backwards", async () => {
  const alone: Build = {
    ...thisBuild,
    runController: ({ platform, ...options }) =>
      thisBuild.runController({ ...options, ...(platform !== undefined && { platform: { ...platform, peers: noPeers } }) }),
  };
  // One of two controllers begins anew, and a node can tell it nothing for longer than it waits for one before it answers.
  const anew = {
    ...scenario(
      { at: seconds(12), do: "isolate", host: "node-1", for: seconds(55) },
      { at: seconds(14), do: "kill", of: "controller-2", for: seconds(1) },
    ),
    controllers: 2,
  };
  const { problems, figures } = await run({ scenario: anew });
  assert.deepEqual(problems, []);
  assert.ok(figures.sums > 0);
  assert.match((await runScenario({ scenario: anew, builds: [alone], untilWrong: true })).problems.join("\n"), /a sum went backwards/);
});

test("two builds of agent and controller run side by side, and change at each start", async () => {
  const started: string[] = [];
  const named = (name: string, { isOther: _, ...build }: Build): Build => ({
    ...build,
    runAgent(options) {
      started.push(`${name} ${options.nodeName}`);
      return build.runAgent(options);
    },
    runController(options) {
      started.push(`${name} ${options.environment.POD_NAME}`);
      return build.runController(options);
    },
  });
  const other = await loadBuild(fileURLToPath(new URL("../../..", import.meta.url)));
  const killed = scenario(
    { at: seconds(5), do: "kill", of: "node-1", for: seconds(2) },
    { at: seconds(6), do: "kill", of: "controller", for: seconds(2) },
  );
  const { problems } = await runScenario({
    scenario: { ...killed, controllers: 2 },
    builds: [named("one", thisBuild), named("two", other)],
  });
  assert.deepEqual(problems, []);
  const first = ["one antrea-controller", "two antrea-controller-2", "one node-1", "two node-2"];
  assert.deepEqual(started, [...first, "two node-1", "two antrea-controller"]);
  await assert.rejects(loadBuild("/nowhere"), { code: "NO_BUILD" });
});

test("an agent that starts without its snapshot lets nothing through that policies deny, though flows with the numbers of before are in its switch", async () => {
  let forgotten = 0;
  const forgetful: Build = {
    ...thisBuild,
    async runAgent(options) {
      forgotten++;
      await options.platform.files.remove(snapshotFile);
      return thisBuild.runAgent(options);
    },
  };
  // One of its agents is started again while the API is slow and segments are lost: some of the first flows are in force for a while before the others.
  const { problems } = await runScenario({
    scenario: generateScenario({ seed: 12, nodes: 4, pods: 12, duration: minutes(1), faultsPerMinute: 20 }),
    builds: [thisBuild, forgetful],
  });
  assert.deepEqual(problems, []);
  assert.ok(forgotten > 2);
});

test("a scenario that fails is shrunk to the events that it takes", async () => {
  const whole = small(1);
  const [first, last] = [whole.events[5], whole.events[20]];
  const needs = ({ events }: Scenario): Promise<boolean> =>
    Promise.resolve([first, last].every((event) => events.some((each) => each === event)));
  const smaller = await shrink({ scenario: whole, fails: needs, runs: 200 });
  assert.deepEqual(smaller.events, [first, last]);
});

test("scenarios read back as they were written; others are refused", () => {
  const written = small(1);
  assert.deepEqual(parseScenario(JSON.stringify(written), "file"), written);
  const withEvent = (event: string): string => `{"seed":1,"nodes":1,"duration":1,"events":[${event}]}`;
  for (const text of ["", "{}", withEvent('{"at":0,"do":"explode"}'), withEvent("null"), withEvent('{"at":0,"do":"kill","of":"node-1"}')])
    assert.throws(() => parseScenario(text, "file"), { code: "INVALID_SCENARIO" }, text);
});
