import assert from "node:assert/strict";
import { test } from "node:test";
import { createPace, inOnePart, type Pace } from "#lib/runtime/parts.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createTurns } from "#lib/runtime/turns.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { type Objects, openObjects } from "../objects.ts";
import { defineResource } from "../resource.ts";
import { gadget, namespace } from "../testing/tiny-kinds.ts";
import type { KindHandler, WriteContext } from "./kind-handler.ts";

interface Numbered extends KubeObject {
  readonly spec?: { readonly number?: number; readonly tags?: Readonly<Record<string, string>> };
}

/** Each object gets the lowest number that none of the kind has. */
const numbered = defineResource<Numbered>({
  ...(gadget as object as Parameters<typeof defineResource<Numbered>>[0]),
  resource: "numbereds",
  kind: "Numbered",
  schema: { type: "object", properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } } },
  defaults: () => {},
  validate: () => [],
  allocates: true,
  prepare: {
    create(object, context) {
      const taken = new Set([...context.list({ group: gadget.group, resource: "numbereds" })].map((one) => (one as Numbered).spec?.number));
      let number = 1;
      while (taken.has(number)) number++;
      object.spec = { ...object.spec, number };
    },
  },
});

const runtime = systemRuntime({ level: "error" });
const key = { namespace: "default", name: "wide" };

async function served(): Promise<{ readonly objects: Objects; kind(of: { readonly resource: string }): KindHandler }> {
  const objects = openObjects({ runtime, resources: [namespace, gadget, numbered] });
  const kind = ({ resource }: { readonly resource: string }): KindHandler => {
    const found = objects.definitions.find((one) => one.resource === resource);
    const handler = found && objects.kind(found);
    assert.ok(handler);
    return handler;
  };
  await kind(namespace).create("", { metadata: { name: "default" } }, writing());
  return { objects, kind };
}

function writing(pace?: Pace): WriteContext {
  const user = { username: "u", uid: "", groups: [], extra: {} };
  const { signal } = new AbortController();
  const context = { user, parameters: new URLSearchParams(), signal, dryRun: false, fieldManager: "m", fieldValidation: "Warn" as const };
  return { ...context, warn: () => {}, ...(pace === undefined ? {} : { pace }) };
}

/** Rests wherever it may. `rested` counts. */
function slowest(): { readonly pace: Pace; rested(): number } {
  let rests = 0;
  let now = 0;
  const turns = createTurns(runtime.clock);
  const pace = createPace({ monotonic: () => (now += 1_000) }, (task) => {
    rests++;
    turns(task);
  });
  return { pace, rested: () => rests };
}

const tags = (count: number, value = "v"): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

test("while a wide object is made others are written and answered", async () => {
  const { kind } = await served();
  const gadgets = kind(gadget);
  const { pace, rested } = slowest();
  let over = false;
  const wide = gadgets.create("default", { metadata: { name: "wide", labels: tags(3_000) }, spec: { tags: tags(3_000) } }, writing(pace));
  void wide.finally(() => {
    over = true;
  });
  let others = 0;
  for (; !over; others++) {
    await gadgets.create("default", { metadata: { name: `small${others}` } }, writing());
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(((await wide) as Numbered).spec?.tags?.k2999, "v");
  assert.ok(rested() > 10 && others > 5, `${rested()} rests, ${others} others`);
});

test("an update that rested is decided anew when the object has changed, and loses nothing", async () => {
  const { kind } = await served();
  const gadgets = kind(gadget);
  await gadgets.create("default", { metadata: { name: "wide" }, spec: { size: 1 } }, writing());
  const { pace } = slowest();
  const wider = gadgets.update(
    { key, subresource: "" },
    inOnePart((present) => ({ ...present, spec: { ...(present as Numbered).spec, tags: tags(100) } })),
    writing(pace),
  );
  await new Promise((resolve) => setImmediate(resolve));
  await gadgets.update(
    { key, subresource: "" },
    inOnePart((present) => ({ ...present, spec: { ...(present as Numbered).spec, size: 5 } })),
    writing(),
  );
  const { spec } = (await wider) as KubeObject & { spec?: { size: number; tags: object } };
  assert.deepEqual([spec?.size, Object.keys(spec?.tags ?? {}).length], [5, 100]);
});

test("an object whose kind goes, or that somebody else made meanwhile, is not made", async () => {
  const { kind, objects } = await served();
  const { pace } = slowest();
  const late = kind(gadget).create("default", { metadata: { name: "wide" } }, writing(pace));
  await kind(gadget).create("default", { metadata: { name: "wide" } }, writing());
  await assert.rejects(late, { code: "AlreadyExists" });
  const orphan = kind(gadget).create("default", { metadata: { name: "orphan" } }, writing(slowest().pace));
  await objects.store.remove(namespace, objects.get(namespace, { namespace: "", name: "default" }) as KubeObject);
  await assert.rejects(orphan, { code: "NotFound" });
});

test("what a kind hands out goes to one object only, though its writes rest", async () => {
  const { kind } = await served();
  const made = await Promise.all(
    ["a", "b", "c"].map((name) => kind(numbered).create("default", { metadata: { name }, spec: {} }, writing(slowest().pace))),
  );
  assert.deepEqual(made.map((one) => (one as Numbered).spec?.number).sort(), [1, 2, 3]);
});
