import assert from "node:assert/strict";
import { test } from "node:test";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { KubeApiError, type KubeClient, type Status } from "#lib/kube/index.ts";
import { lookAgain, presentObjects } from "./look-again.ts";
import type { Verdict } from "./review.ts";

const refused: Verdict = { denial: "no" };
const check = (allowed: boolean): Verdict => (allowed ? {} : refused);
const never = () => assert.fail("nobody needs to be asked");

test("what is allowed asks nobody; a refusal stands when it is confirmed, or cannot be", async () => {
  assert.deepEqual(await lookAgain(true, never, check), {});
  assert.deepEqual(await lookAgain(false, () => Promise.resolve(true), check), {});
  assert.deepEqual(await lookAgain(false, () => Promise.resolve(false), check), refused);
  assert.deepEqual(await lookAgain(false, () => Promise.reject(new Error("away")), check), refused);
});

test("a tier is used while one of few policies names it still; many are not asked after", async () => {
  const named = (name: string, tier: string): AntreaPolicy => ({ metadata: { name }, spec: { tier, priority: 1 } });
  const present = new Map([
    ["moved", named("moved", "other")],
    ["stays", named("stays", "Own")],
  ]);
  const client = {
    get: (_resource: unknown, { name }: { readonly name: string }) => {
      const policy = present.get(name);
      return policy === undefined
        ? Promise.reject(new KubeApiError(`GET ${name}`, 404, { reason: "NotFound" } as Status))
        : Promise.resolve(policy);
    },
  } as unknown as KubeClient;
  const isUsedBy = (...names: readonly string[]) =>
    presentObjects(client).isStillUsed(
      "own",
      names.map((name) => named(name, "own")),
    );
  assert.equal(await isUsedBy("gone", "moved"), false);
  assert.equal(await isUsedBy("gone", "stays"), true);
  assert.equal(await isUsedBy(...Array.from({ length: 17 }, (_, index) => `gone-${index}`)), true);
});
