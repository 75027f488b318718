import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ComputedRevisions, Group, GroupMember, GroupPatch } from "#core/api/controlplane/index.ts";
import type { Pod } from "#lib/kube/index.ts";
import { createTable } from "#lib/table/index.ts";
import { ProvisionalMembers } from "./provisional-members.ts";

const pod = (name: string, resourceVersion: number, app: string, more: Partial<Pod["metadata"]> = {}, phase = "Running"): Pod => ({
  metadata: {
    namespace: "shop",
    name,
    uid: `${name}-${resourceVersion}`,
    resourceVersion: String(resourceVersion),
    labels: { app },
    ...more,
  },
  spec: { containers: [{ name: "main", ports: [{ name: "web", containerPort: 80 }] }] },
  status: { phase },
});
const memberOf = (name: string): GroupMember => ({
  pod: { namespace: "shop", name },
  ips: [],
  ports: [{ name: "web", port: 80, protocol: "TCP" }],
});

/** A node with pods and groups, and a controller that computed all that came up to resourceVersion 10. */
function node({ groups }: { readonly groups: Readonly<Record<string, readonly string[]>> }) {
  const pods = createTable<Pod>({ name: "pods", key: ({ metadata }) => `${metadata.namespace}/${metadata.name}` });
  const inForce = new Map<string, Set<string>>(Object.entries(groups).map(([name, members]) => [name, new Set(members)]));
  const state = { computed: 10 };
  const groupOf = (name: string): Group => ({ name, uid: name, members: [...(inForce.get(name) ?? [])].map(memberOf) });
  const provisional = new ProvisionalMembers({
    pods,
    appliedToGroups: () => [...inForce.keys()].map(groupOf),
    computed: (): ComputedRevisions => ({ cluster: "c", pods: String(state.computed), namespaces: "1", networkpolicies: "1" }),
  });
  const apply = (patches: readonly GroupPatch[]): void => {
    for (const { name, added, removed } of patches) {
      for (const { pod: gone } of removed) inForce.get(name)?.delete(gone?.name ?? "");
      for (const { pod: come } of added) inForce.get(name)?.add(come?.name ?? "");
    }
  };
  const groupsOf = (name: string): string[] => [...inForce].filter(([, members]) => members.has(name)).map(([group]) => group);
  const take = (name: string): string[] | undefined => {
    const patches = provisional.take({ namespace: "shop", name });
    assert.equal(provisional.knows({ namespace: "shop", name }), patches !== undefined);
    if (patches === undefined) return undefined;
    apply(patches);
    return groupsOf(name);
  };
  return { pods, provisional, inForce, groupOf, state, apply, groupsOf, take };
}

test("a new pod is where a pod of equal labels is, and nowhere else", () => {
  const { pods, take } = node({ groups: { web: ["web-1"], all: ["web-1", "db-1"], db: ["db-1"] } });
  for (const [name, app] of [
    ["web-1", "web"],
    ["db-1", "db"],
  ] as const)
    pods.upsert(pod(name, 5, app));
  pods.upsert(pod("web-2", 12, "web"));
  assert.deepEqual(take("web-2"), ["web", "all"]);
  pods.upsert(pod("cache-1", 13, "cache"));
  assert.equal(take("cache-1"), undefined);
  // of another namespace, with another account, with one label more: selectors can tell them apart
  pods.upsert(pod("web-3", 14, "web", { namespace: "other" }));
  assert.equal(take("web-3"), undefined);
  const withAccount = pod("web-4", 15, "web");
  pods.upsert({ ...withAccount, spec: { ...withAccount.spec, serviceAccountName: "other" } });
  assert.equal(take("web-4"), undefined);
  pods.upsert(pod("web-5", 16, "web", { labels: { app: "web", tier: "1" } }));
  assert.equal(take("web-5"), undefined);
});

test("a pod that nobody has computed as it is now is nobody's twin", () => {
  const { pods, take } = node({ groups: { web: ["web-1"] } });
  pods.upsert(pod("web-1", 5, "web"));
  // Its labels changed when the controller was away; its status may have.
  pods.upsert(pod("web-1", 11, "db"));
  pods.upsert(pod("db-1", 12, "db"));
  assert.equal(take("db-1"), undefined);
  pods.upsert(pod("web-2", 6, "web"));
  pods.upsert(pod("web-2", 13, "web"));
  pods.upsert(pod("web-3", 14, "web"));
  assert.deepEqual(take("web-3"), []);
});

test("a pod that comes again under its name is what it was, or what its new labels say", () => {
  const { pods, take } = node({ groups: { web: ["web-0"], db: ["db-0"] } });
  pods.upsert(pod("web-0", 5, "web"));
  pods.delete("shop/web-0");
  pods.upsert(pod("web-0", 12, "web"));
  assert.deepEqual(take("web-0"), ["web"]);
  pods.upsert(pod("db-0", 6, "db"));
  pods.delete("shop/web-0");
  pods.upsert(pod("web-0", 13, "db"));
  assert.deepEqual(take("web-0"), ["db"]);
});

test("who is in no group is a twin only as long as it lives on", () => {
  for (const leaves of ["deleted", "terminating", "finished"] as const) {
    const { pods, take } = node({ groups: { web: [] } });
    pods.upsert(pod("web-1", 5, "web"));
    if (leaves === "deleted") pods.delete("shop/web-1");
    if (leaves === "terminating") pods.upsert(pod("web-1", 11, "web", { deletionTimestamp: "2026-01-01T00:00:00Z" }));
    if (leaves === "finished") pods.upsert(pod("web-1", 11, "web", {}, "Succeeded"));
    pods.upsert(pod("web-2", 12, "web"));
    assert.equal(take("web-2"), undefined, leaves);
  }
  const { pods, take } = node({ groups: { web: [] } });
  pods.upsert(pod("web-1", 5, "web"));
  pods.upsert(pod("web-2", 12, "web"));
  assert.deepEqual(take("web-2"), []);
});

test("a controller's word counts once it has computed the pod; before, the pod keeps what it has; whatever the order", () => {
  const names = ["a", "b", "c"];
  fc.assert(
    fc.property(
      fc.record({
        before: fc.subarray(names),
        twin: fc.subarray(names),
        // what the controller offers when it is followed again: it may have the former pod of that name
        offered: fc.subarray(names),
        // what it says then, group by group: comes, leaves, leaves and comes
        steps: fc.array(fc.record({ group: fc.constantFrom(...names), what: fc.constantFrom("comes", "leaves", "is anew", "is listed") }), {
          maxLength: 8,
        }),
      }),
      ({ before, twin, offered, steps }) => {
        const members = (group: string): string[] => [
          ...(twin.includes(group) ? ["web-1"] : []),
          ...(before.includes(group) ? ["web-0"] : []),
        ];
        const { pods, provisional, inForce, take, apply, groupsOf, state } = node({
          groups: Object.fromEntries(names.map((name) => [name, members(name)])),
        });
        pods.upsert(pod("web-1", 5, "web"));
        pods.upsert(pod("web-0", 12, "web"));
        assert.deepEqual(take("web-0"), twin);

        // The controller's own idea of where web-0 is: of the former one at first.
        const truth = new Set(offered);
        const list = (group: string): void => {
          const told = {
            name: group,
            uid: group,
            members: [...(twin.includes(group) ? ["web-1"] : []), ...(truth.has(group) ? ["web-0"] : [])].map(memberOf),
          };
          inForce.set(group, new Set(provisional.listed(told).members.map((member) => member.pod?.name ?? "")));
        };
        for (const name of names) list(name);
        const holds = (): void => assert.ok(twin.every((name) => groupsOf("web-0").includes(name)));
        holds();
        for (const { group, what } of steps) {
          const isIn = truth.has(group);
          if (what === "is listed") list(group);
          else if (what === "comes" ? !isIn : isIn) {
            const added = what === "leaves" ? [] : [memberOf("web-0")];
            const removed = what === "comes" ? [] : [memberOf("web-0")];
            if (what === "leaves") truth.delete(group);
            else truth.add(group);
            apply([provisional.changed({ name: group, uid: group, added, removed })]);
          }
          holds();
        }
        apply(provisional.settle((version) => Number(version) <= 11));
        holds();
        state.computed = 12;
        apply(provisional.settle((version) => Number(version) <= 12));
        assert.deepEqual(groupsOf("web-0").sort(), [...truth].sort());
        assert.deepEqual(
          provisional.settle(() => true),
          [],
        );
      },
    ),
  );
});
