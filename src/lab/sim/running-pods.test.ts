import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Pod } from "#lib/kube/index.ts";
import { createRunningPods } from "./running-pods.ts";

const pod = (name: string, node: string, state: "new" | "running" | "ending"): Pod => ({
  metadata: { namespace: "shop", name, ...(state === "ending" ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}) },
  spec: { nodeName: node, containers: [] },
  status: state === "new" ? {} : { podIPs: [{ ip: "10.0.0.1" }] },
});

test("whatever comes, changes and goes: those that run are there once, in the whole and on their node", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "e");
  const node = fc.constantFrom("node-1", "node-2");
  const state = fc.constantFrom("new" as const, "running" as const, "ending" as const, "gone" as const);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, node, state)), (changes) => {
      const running = createRunningPods();
      const wanted = new Map<string, Pod>();
      for (const [key, where, what] of changes) {
        const now = what === "gone" ? undefined : pod(key, where, what);
        running.note(key, now);
        if (now !== undefined && what === "running") wanted.set(key, now);
        else wanted.delete(key);
        const byName = (pods: Iterable<Pod>) =>
          [...pods].sort((one, other) => ((one.metadata.name ?? "") < (other.metadata.name ?? "") ? -1 : 1));
        assert.deepEqual(byName(running.all), byName(wanted.values()));
        for (const each of ["node-1", "node-2"])
          assert.deepEqual(byName(running.onNode(each)), byName([...wanted.values()].filter(({ spec }) => spec.nodeName === each)));
      }
    }),
  );
});
