import assert from "node:assert/strict";
import { test } from "node:test";
import { type Flow, flowKey, parseFlow } from "#lib/openflow/flow.ts";
import { seededRandom } from "#lib/runtime/index.ts";
import { shareRows } from "#lib/table/index.ts";
import { createFlowLedger, type FlowLedger } from "./flow-ledger.ts";

const flowTo = (match: number, port: number): Flow =>
  Object.freeze(parseFlow(`table=${match % 3},priority=5,reg0=${match} actions=output:${port}`));
const flowsTo = Array.from({ length: 12 }, (_, match) => [1, 2, 3].map((port) => flowTo(match, port)));

/** Whoever wished last has his way; who takes a wish back gives way to who wished before. */
function createModel() {
  const wishes: { readonly owner: string; readonly flow: Flow }[] = [];
  const effective = (): Map<string, Flow> => new Map(wishes.map(({ flow }) => [flowKey(flow), flow]));
  return {
    effective,
    set(owner: string, flows: readonly Flow[]): void {
      for (const [index, wish] of [...wishes.entries()].reverse())
        if (wish.owner === owner && !flows.includes(wish.flow)) wishes.splice(index, 1);
      for (const flow of flows) if (!wishes.some((wish) => wish.owner === owner && wish.flow === flow)) wishes.push({ owner, flow });
    },
  };
}

/** Two ledgers, and what they must hold. */
function ownersComeAndGo(): void {
  const random = seededRandom(3);
  const [one, other] = [createFlowLedger(), createFlowLedger()];
  const states = [one, other].map((ledger) => ({
    ledger,
    model: createModel(),
    nameless: ledger.owner(),
    inSwitch: new Map<string, Flow>(),
  }));
  // The same frozen lists go to both, as those of other nodes do.
  const lists = Array.from({ length: 20 }, () =>
    Object.freeze(
      [0, 1, 2, 3].flatMap((part) => (random.below(2) === 0 ? [] : [flowsTo[part * 3 + random.below(3)]?.[random.below(3)] as Flow])),
    ),
  );
  for (let step = 0; step < 4_000; step++) {
    const state = states[random.below(2)] as (typeof states)[number];
    const { ledger, model, nameless, inSwitch } = state;
    const owner = ["a", "b", "c", "nameless"][random.below(4)] as string;
    const flows = random.below(4) === 0 ? [] : (lists[random.below(lists.length)] as readonly Flow[]);
    if (owner === "nameless") nameless.set(flows);
    else ledger.set(owner, flows);
    model.set(owner, flows);
    assertHolds(ledger, model.effective());
    if (owner !== "nameless") assert.deepEqual(ledger.flowsOf(owner), flows);
    if (random.below(3) > 0) continue;
    const { add, remove } = ledger.takeChange();
    for (const flow of add) inSwitch.set(flowKey(flow), flow);
    for (const flow of remove) inSwitch.delete(flowKey(flow));
    assert.deepEqual(sorted(inSwitch), sorted(model.effective()));
    assert.equal(ledger.changed, false);
  }
}

test(
  "owners come, change their minds and go: the latest wish for a flow holds, in each ledger by itself, and its changes lead there",
  ownersComeAndGo,
);

test("so it is where ledgers share their rows", () => {
  shareRows();
  ownersComeAndGo();
});

const sorted = (flows: Iterable<readonly [string, Flow]>): (readonly [string, Flow])[] =>
  [...flows].sort(([one], [two]) => (one < two ? -1 : 1));

function assertHolds(ledger: FlowLedger, wanted: ReadonlyMap<string, Flow>): void {
  assert.deepEqual(sorted(ledger.flows()), sorted(wanted));
  assert.equal(ledger.size, wanted.size);
  for (const table of [0, 1, 2])
    assert.equal(ledger.sizeIn(new Set([table])), [...wanted.values()].filter((flow) => flow.table === table).length);
  for (const flow of flowsTo.flat()) {
    const present = wanted.get(flowKey(flow));
    assert.equal(ledger.get(flowKey(flow)), present);
    assert.equal(ledger.compare(flow), present === undefined ? "unknown" : present === flow ? "same" : "other");
  }
}
