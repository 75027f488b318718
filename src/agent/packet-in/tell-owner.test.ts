import assert from "node:assert/strict";
import { test } from "node:test";
import { cookie } from "#core/pipeline/cookie.ts";
import { createPipeline } from "#core/pipeline/index.ts";
import type { CountedRule } from "#core/pipeline/policy/index.ts";
import type { Event, KubeClient } from "#lib/kube/index.ts";
import { minutes, seconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { tellOwner } from "./tell-owner.ts";

const pipeline = createPipeline();
const guard: CountedRule = {
  policy: { type: "AntreaNetworkPolicy", namespace: "shop", name: "guard", uid: "u" },
  rule: "no-81",
  action: "Reject",
  present: true,
  refusing: true,
};

function start() {
  const clock = virtualClock();
  const made: Event[] = [];
  const client = {
    create: (_resource: unknown, event: Event) => Promise.resolve(void made.push(event)),
  } as unknown as KubeClient;
  const rules = new Map<number, CountedRule>([
    [1, guard],
    [2, { ...guard, refusing: false }],
  ]);
  for (let id = 100; id < 200; id++) rules.set(id, { ...guard, rule: `r${id}` });
  const told = tellOwner({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    client,
    node: "n1",
    pipeline,
    podOf: (ofport) => (ofport === 5 ? { podNamespace: "shop", podName: "web" } : undefined),
    uidOf: () => "pod-uid",
    ruleOf: (ruleId) => rules.get(ruleId),
  });
  const packet = (
    ruleId: number,
    table: "AntreaPolicyIngressRule" | "IngressDefaultRule" | "Output" = "AntreaPolicyIngressRule",
    ofport = 5n,
  ) =>
    told({
      packet: new Uint8Array(60),
      fullLength: 60,
      table: pipeline.table(table),
      cookie: cookie("networkPolicy", ruleId),
      metadata: { in_port: 9n, reg1: ofport },
    });
  return { packet, clock, events: () => made.splice(0).map(({ message, involvedObject }) => [involvedObject?.name, message]) };
}

test("the pod's owner is told which rule denied, or that none allowed, once in a while", () => {
  const { packet, clock, events } = start();
  for (let count = 0; count < 3; count++) packet(1);
  packet(0, "IngressDefaultRule");
  assert.deepEqual(events(), [
    ["web", "Ingress was rejected: AntreaNetworkPolicy shop/guard, rule no-81"],
    ["web", "Ingress was rejected: no NetworkPolicy of namespace shop allows it"],
  ]);
  clock.advance(minutes(5));
  packet(1);
  assert.equal(events().length, 1);
});

test("nothing is told of rules whose namespace does not ask, of ports that are no pod's, of other tables", () => {
  const { packet, events } = start();
  packet(2);
  packet(1, "AntreaPolicyIngressRule", 6n);
  packet(1, "Output");
  packet(77);
  assert.deepEqual(events(), []);
});

test("however many rules deny, a node tells no more than ten in a minute", () => {
  const { packet, clock, events } = start();
  for (let id = 100; id < 200; id++) packet(id);
  assert.equal(events().length, 10);
  clock.advance(seconds(60));
  for (let id = 100; id < 200; id++) packet(id);
  assert.equal(events().length, 10);
});
