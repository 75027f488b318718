import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeComputedRevisions } from "#core/api/controlplane/index.ts";
import { createPolicyEngine, lowerKubernetesPolicy, namespaceRow, podRow } from "#core/policy/index.ts";
import { seconds, virtualClock } from "#lib/runtime/index.ts";
import { followLateNodes } from "./follow-late-nodes.ts";
import { MemberMarks } from "./member-marks.ts";
import { MemberProofs, membersWithin } from "./member-proofs.ts";

test("a policy that nobody looked at yet is told of again when the node that is late with its members is no more", () => {
  const clock = virtualClock();
  const engine = createPolicyEngine();
  const marks = new MemberMarks();
  const proofs = new MemberProofs({ marks, isKnown: () => true });
  const changed: string[] = [];
  const stop = new AbortController();
  const late = followLateNodes({ clock, engine, proofs, changed: (uid) => void changed.push(uid), signal: stop.signal });
  const revisions = (pods: string) => ({ cluster: "c", pods, namespaces: "1", networkpolicies: "1", changed: { pods } });
  const tell = (pods: string): void => {
    proofs.take("n1", encodeComputedRevisions(revisions(pods)), clock.monotonic());
    late.touch();
  };
  const publish = (pods: string): void => {
    proofs.changed(marks.published(engine.flush(), revisions(pods)), clock.monotonic());
    late.touch();
  };
  const pod = (name: string, app: string): void =>
    engine.upsertPod(
      podRow({
        metadata: { namespace: "shop", name, labels: { app } },
        spec: { nodeName: "n1", containers: [] },
        status: { podIPs: [{ ip: `10.0.0.${name.length}` }] },
      }),
    );
  engine.upsertNamespace(namespaceRow({ metadata: { name: "shop" } }));
  const policy = (uid: string) =>
    lowerKubernetesPolicy({
      metadata: { namespace: "shop", name: uid, uid },
      spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }] },
    }).policy;
  engine.upsertPolicy(policy("first"));
  pod("w", "web");
  publish("10");
  tell("10");
  pod("cc", "client");
  publish("20");
  clock.advance(membersWithin + seconds(2));
  assert.deepEqual(changed.splice(0), ["first"]);

  engine.upsertPolicy(policy("second"));
  publish("20");
  const { row } = engine.policy("second") ?? assert.fail("it is computed");
  assert.equal(late.of(row)("n1"), true);
  tell("20");
  clock.advance(seconds(3));
  assert.deepEqual(new Set(changed), new Set(["first", "second"]));
  assert.equal(late.of(row)("n1"), false);
  stop.abort();
});
