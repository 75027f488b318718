import assert from "node:assert/strict";
import { test } from "node:test";
import { type ComputedRevisions, encodeComputedRevisions } from "#core/api/controlplane/index.ts";
import { createPolicyEngine, lowerKubernetesPolicy, namespaceRow, podRow } from "#core/policy/index.ts";
import { MemberMarks } from "./member-marks.ts";
import { MemberProofs, membersWithin } from "./member-proofs.ts";

test("a node has proven a policy's members when it contains the publication that changed them last, as far as it is told of them", () => {
  const { pod, publish, proofs, isProven, tell } = start();
  pod("web", "n1", "web");
  pod("web2", "n2", "web");
  pod("client", "n3", "client");
  publish("10");
  assert.deepEqual(isProven(), [undefined, undefined], "nobody has told anything");
  tell("n1", "10");
  tell("n2", "9");
  assert.deepEqual(isProven(), [true, false]);
  tell("n2", "10");

  pod("other", "n3", "client");
  publish("20");
  assert.deepEqual(isProven(), [false, false], "a peer concerns each node");
  tell("n1", "25");
  tell("n2", "25");
  pod("web3", "n2", "web");
  publish("30");
  assert.deepEqual(isProven(), [true, false], "a subject concerns its node");
  pod("unselected", "n1", "nothing");
  publish("40");
  tell("n2", "30");
  assert.deepEqual(isProven(), [true, true]);
  proofs.forget("n2");
  assert.deepEqual(isProven(), [true, undefined]);
});

test("what was asked for first is proven although more joined; what is not computed by any number yet is proven by nobody", async () => {
  const { pod, gone, publish, isProven, asOf, tell, marks } = start();
  pod("web", "n1", "web");
  pod("client", "n3", "client");
  publish("10");
  tell("n1", "10");
  pod("other", "n3", "client");
  publish("20");
  const asked = asOf();
  pod("third", "n3", "client");
  publish("30");
  tell("n1", "20");
  assert.deepEqual([isProven()[0], isProven(asked)[0]], [false, true]);

  // The version of a deletion follows it.
  gone("other");
  publish(undefined);
  tell("n1", "35");
  assert.equal(isProven()[0], false);
  const known = marks.whenKnown();
  publish("40");
  await known;
  assert.equal(isProven()[0], false);
  tell("n1", "40");
  assert.equal(isProven()[0], true);
});

test("a node is late when it has told of nothing for too long, and not while it goes on", () => {
  const { pod, publish, proofs, tell } = start();
  pod("web", "n1", "web");
  pod("client", "n3", "client");
  publish("10", 0);
  tell("n1", "10", 0);
  assert.equal(proofs.isWaiting, false);
  pod("other", "n3", "client");
  publish("20", 1_000);
  assert.equal(proofs.late(1_000 + membersWithin - 1).size, 0);
  assert.deepEqual([...proofs.late(1_000 + membersWithin)], ["n1"]);
  tell("n1", "15", 7_000);
  assert.equal(proofs.late(7_000 + membersWithin - 1).size, 0);
  tell("n1", "20", 8_000);
  assert.equal(proofs.isWaiting, false);
});

test("what cannot be read, and what another cluster has proven, is no proof", () => {
  const { pod, publish, proofs, isProven } = start();
  pod("web", "n1", "web");
  pod("client", "n3", "client");
  publish("10");
  for (const told of ["", "{}", 7, null, "[1", JSON.stringify({ cluster: 1 })]) proofs.take("n1", told, 0);
  assert.equal(isProven()[0], undefined);
  proofs.take("n1", encodeComputedRevisions({ ...upTo("10"), cluster: "another" }), 0);
  assert.equal(isProven()[0], false);
});

const upTo = (pods: string): ComputedRevisions => ({ cluster: "c", pods, namespaces: "1", networkpolicies: "1", changed: { pods } });

/** Pods in a namespace with one policy: subjects `app=web`, peers `app=client`. */
function start() {
  const engine = createPolicyEngine();
  const marks = new MemberMarks();
  const proofs = new MemberProofs({ marks, isKnown: () => true });
  engine.upsertNamespace(namespaceRow({ metadata: { name: "shop" } }));
  engine.upsertPolicy(
    lowerKubernetesPolicy({
      metadata: { namespace: "shop", name: "p", uid: "u", generation: 1 },
      spec: {
        podSelector: { matchLabels: { app: "web" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
      },
    }).policy,
  );
  const row = () => {
    const view = engine.policy("u");
    assert.ok(view !== undefined);
    return view.row;
  };
  let address = 0;
  return {
    marks,
    proofs,
    pod(name: string, nodeName: string, app: string) {
      const podIPs = [{ ip: `10.0.0.${++address}` }];
      engine.upsertPod(
        podRow({ metadata: { namespace: "shop", name, labels: { app } }, spec: { nodeName, containers: [] }, status: { podIPs } }),
      );
    },
    gone: (name: string) => engine.deletePod(`shop/${name}`),
    publish: (pods: string | undefined, at = 0) =>
      proofs.changed(marks.published(engine.flush(), pods === undefined ? undefined : upTo(pods)), at),
    tell: (node: string, pods: string, at = 0) => proofs.take(node, encodeComputedRevisions(upTo(pods)), at),
    isProven: (asOf?: ComputedRevisions) => ["n1", "n2"].map(proofs.of(row(), asOf)),
    asOf: () => proofs.asOf(row(), ["n1", "n2"]),
  };
}
