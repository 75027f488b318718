import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { controlplaneResources } from "#core/api/controlplane/index.ts";
import { createPolicyObjects, type PolicyObjectKind, type PolicyObjectKinds } from "#core/policy/index.ts";
import type { StoreContext, StoreList } from "#lib/apiserver/resource-store.ts";
import { anonymous } from "#lib/apiserver/user.ts";
import { keyOf, type KubeObject } from "#lib/kube/index.ts";
import { virtualClock } from "#lib/runtime/index.ts";
import { createControlplaneStores } from "./stores.ts";

// Two replicas hear one history: each kind in its order, the kinds interleaved as chance has it; one of them starts late and lists what is left of the first
// part. However they came there, what they publish is the same bytes.

type Kind = Extract<PolicyObjectKind, "Namespace" | "Pod" | "K8sNetworkPolicy" | "AntreaClusterNetworkPolicy">;
interface Event {
  readonly kind: Kind;
  readonly key: string;
  readonly object: KubeObject | undefined;
}

const labels = fc.record({ app: fc.constantFrom("web", "db"), tier: fc.constantFrom("a", "b", "c") }, { requiredKeys: [] });
const selector = labels.map((matchLabels) => ({ matchLabels }));
const namespaceName = fc.constantFrom("one", "two");
const peer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector, podSelector: selector }),
  fc.record({ ipBlock: fc.record({ cidr: fc.constantFrom("10.0.0.0/8", "fd00::/64") }) }),
);
const version = { current: 0 };
const metadata = (name: string, more: { readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> } = {}) => ({
  name,
  uid: `uid-${more.namespace ?? ""}-${name}`,
  resourceVersion: String(++version.current),
  ...more,
});
const event = (kind: Kind, object: KubeObject, exists: boolean): Event => ({
  kind,
  key: keyOf(object),
  object: exists ? object : undefined,
});
const exists = fc.integer({ min: 0, max: 3 }).map((one) => one > 0);
const action = fc.constantFrom("Allow", "Drop");

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc
    .tuple(namespaceName, labels, exists)
    .map(([name, own, there]) => event("Namespace", { metadata: metadata(name, { labels: own }) }, there)),
  fc.tuple(namespaceName, fc.nat(9), labels, fc.constantFrom("n1", "n2"), exists).map(([namespace, number, own, nodeName, there]) =>
    event(
      "Pod",
      {
        metadata: metadata(`pod-${number}`, { namespace, labels: own }),
        spec: { nodeName, containers: [{ name: "c", ports: [{ name: "http", containerPort: 8_080 + (number % 2) }] }] },
        status: { podIPs: [{ ip: `10.0.0.${number + 1}` }, { ip: `fd00::${number + 1}` }] },
      } as KubeObject,
      there,
    ),
  ),
  fc
    .tuple(namespaceName, fc.nat(3), selector, fc.array(peer, { maxLength: 3 }), exists)
    .map(([namespace, number, podSelector, from, there]) =>
      event(
        "K8sNetworkPolicy",
        { metadata: metadata(`np-${number}`, { namespace }), spec: { podSelector, ingress: [{ from }] } } as KubeObject,
        there,
      ),
    ),
  fc
    .tuple(
      fc.nat(2),
      fc.array(fc.record({ podSelector: selector }), { minLength: 1, maxLength: 2 }),
      fc.array(peer, { maxLength: 2 }),
      action,
      exists,
    )
    .map(([number, appliedTo, from, does, there]) =>
      event(
        "AntreaClusterNetworkPolicy",
        {
          metadata: metadata(`acnp-${number}`),
          spec: { priority: 5, tier: "application", appliedTo, ingress: [{ action: does, from }], egress: [{ action: "Pass", to: from }] },
        } as KubeObject as AntreaPolicy,
        there,
      ),
    ),
);

function replica() {
  const objects = createPolicyObjects();
  const { engine } = objects;
  const stores = createControlplaneStores({
    engine,
    ready: () => Promise.resolve(),
    computed: () => ({ cluster: "c", pods: "", namespaces: "", networkpolicies: "" }),
    clock: virtualClock(),
    origin: "here",
  });
  return {
    apply: ({ kind, key, object }: Event): void => objects.apply(kind, key, object as PolicyObjectKinds[typeof kind] | undefined),
    flush: (): void => stores.publish(objects.flush()),
    async published(): Promise<Buffer> {
      stores.publish(objects.flush());
      const lists = await Promise.all(
        controlplaneResources.map((resource) => stores.stores[resource].list?.({ labelSelector: [], fieldSelector: [] }, context)),
      );
      return Buffer.from(JSON.stringify(lists.map((list) => ({ version: list?.resourceVersion, items: (list as StoreList).items }))));
    },
  };
}

const context: StoreContext = {
  user: anonymous,
  parameters: new URLSearchParams(),
  signal: new AbortController().signal,
  dryRun: false,
  warn() {},
};

/** Of several queues, one of chance gives its next. */
function interleaved(events: readonly Event[], choices: readonly number[]): Event[] {
  const queues = Map.groupBy(events, ({ kind }) => kind);
  const order: Event[] = [];
  for (let step = 0; order.length < events.length; step++) {
    const open = [...queues.values()].filter((queue) => queue.length > 0);
    const next = open[(choices[step % choices.length] ?? 0) % open.length]?.shift();
    if (next !== undefined) order.push(next);
  }
  return order;
}

test("two replicas publish the same bytes, in whatever order and from whatever moment they heard the same", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEvent, { minLength: 5, maxLength: 80 }),
      fc.array(fc.nat(100), { minLength: 7, maxLength: 31 }),
      fc.nat(80),
      async (events, choices, start) => {
        const early = replica();
        for (const [step, each] of interleaved(events, choices).entries()) {
          early.apply(each);
          if (((choices[step % choices.length] ?? 0) & 1) === 1) early.flush();
        }
        const late = replica();
        // Of what was before its start, the last of each object, the newest first.
        const listed = new Map(events.slice(0, start).map((each) => [`${each.kind} ${each.key}`, each]));
        for (const each of [...listed.values()].reverse()) if (each.object !== undefined) late.apply(each);
        late.flush();
        for (const each of interleaved(events.slice(start), choices.toReversed())) late.apply(each);
        assert.equal((await late.published()).toString(), (await early.published()).toString());
      },
    ),
    { numRuns: 200 },
  );
});
