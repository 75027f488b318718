import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChangeMark, type ControlplaneResource, controlplaneResources, decodeChangeMark } from "#core/api/controlplane/index.ts";
import { milliseconds, virtualClock } from "#lib/runtime/index.ts";
import type { ControllerEvent } from "./events.ts";
import { createChangeJoiner, heldAtMost, mostHeld } from "./join-changes.ts";

test("what came on three streams up to a mark is one change, in the order in which it came", () => {
  const { joiner, delivered, changed, mark } = begun();
  changed("appliedtogroups", "new subjects");
  changed("networkpolicies", "new policy");
  mark("networkpolicies", 1);
  changed("addressgroups", "peers");
  mark("addressgroups", 1);
  assert.deepEqual(delivered, []);
  changed("networkpolicies", "of the next change");
  mark("appliedtogroups", 1);
  assert.deepEqual(delivered, [["new subjects", "new policy", "peers"]]);
  assert.equal(joiner.held, 1);
  mark("networkpolicies", 2);
  mark("addressgroups", 2);
  mark("appliedtogroups", 2);
  assert.deepEqual(delivered[1], ["of the next change"]);
});

test("a stream that is ahead by several changes waits for each of them", () => {
  const { delivered, changed, mark } = begun();
  for (const number of [4, 6, 9]) {
    changed("networkpolicies", `policy ${number}`);
    mark("networkpolicies", number);
  }
  mark("addressgroups", 9);
  mark("appliedtogroups", 6);
  assert.deepEqual(delivered, [["policy 4", "policy 6"]]);
  mark("appliedtogroups", 9);
  assert.deepEqual(delivered[1], ["policy 9"]);
});

test("how far a stream is passes at once where nothing of it is held", () => {
  const { joiner, state, changed } = begun();
  changed("networkpolicies", "policy");
  joiner.take({ type: "progress", resource: "addressgroups", computed: undefined });
  joiner.take({ type: "progress", resource: "networkpolicies", computed: undefined });
  assert.equal(state.marksAlone, 1);
  assert.equal(joiner.held, 2, "behind a change that is held it waits");
});

test("a stream that lags holds up the others for a while only, and is named", () => {
  const { clock, delivered, late, changed, mark } = begun();
  changed("networkpolicies", "policy");
  mark("networkpolicies", 1);
  mark("addressgroups", 1);
  clock.advance(milliseconds(heldAtMost - 1));
  assert.deepEqual(delivered, []);
  clock.advance(milliseconds(1));
  assert.deepEqual(delivered, [["policy"]]);
  assert.deepEqual(late, [["appliedtogroups"]]);
  changed("appliedtogroups", "subjects");
  mark("appliedtogroups", 1);
  assert.deepEqual(delivered[1], ["subjects"], "what the others had already is no reason to wait");
  clock.advance(milliseconds(heldAtMost * 3));
  assert.equal(late.length, 1);
});

test("what was handed on in parts is whole when all streams are behind all of it, and not at an earlier change", () => {
  const { clock, wholes, changed, mark } = begun();
  changed("networkpolicies", "policy of 1");
  mark("networkpolicies", 1);
  changed("networkpolicies", "policy of 3");
  mark("networkpolicies", 3);
  changed("appliedtogroups", "subjects of a change that was not told yet");
  clock.advance(heldAtMost);
  assert.deepEqual(wholes, [false]);
  mark("addressgroups", 1);
  mark("appliedtogroups", 1);
  changed("addressgroups", "peers of 2");
  mark("addressgroups", 2);
  mark("appliedtogroups", 2);
  assert.deepEqual(wholes, [false, false], "of change 3 they have a part");
  mark("addressgroups", 3);
  mark("appliedtogroups", 3);
  assert.deepEqual(wholes, [false, false, true]);
  changed("networkpolicies", "policy of 4");
  for (const resource of controlplaneResources) mark(resource, 4);
  assert.deepEqual(wholes, [false, false, true, true]);
});

test("nothing is complete while a first set is missing, however long, and whatever the streams tell that have begun", () => {
  const { joiner, clock, delivered, late, mark, state } = joined();
  joiner.begun("addressgroups", at(5));
  take(joiner, "addressgroups", "peers of 6");
  mark("addressgroups", 6);
  clock.advance(milliseconds(heldAtMost * 10));
  assert.deepEqual([state.complete, delivered, late], [0, [], []]);
  joiner.begun("networkpolicies", at(6));
  joiner.begun("appliedtogroups", at(6));
  assert.deepEqual([state.complete, delivered], [1, [["peers of 6"]]]);
});

test("first sets of different moments are complete when all streams are as far as the furthest", () => {
  const { joiner, delivered, mark, state } = joined();
  joiner.begun("networkpolicies", at(5));
  joiner.begun("appliedtogroups", at(7));
  take(joiner, "networkpolicies", "policy of 6");
  mark("networkpolicies", 6);
  joiner.begun("addressgroups", at(7));
  assert.deepEqual(delivered, [["policy of 6"]]);
  assert.equal(state.complete, 0);
  mark("networkpolicies", 7);
  assert.equal(state.complete, 1);
});

test("first sets whose streams do not come together are complete after a while", () => {
  const { clock, joiner, state } = joined();
  joiner.begun("networkpolicies", at(5));
  joiner.begun("appliedtogroups", at(7));
  joiner.begun("addressgroups", at(7));
  assert.equal(state.complete, 0);
  clock.advance(heldAtMost);
  assert.equal(state.complete, 1);
});

test("without marks, or with those of several processes, everything is handed on as it comes", () => {
  for (const marks of [
    [undefined, undefined, undefined],
    [at(1), undefined, at(1)],
    [at(1), at(1, "other"), at(1)],
  ]) {
    const { joiner, delivered, state } = joined();
    for (const [index, resource] of controlplaneResources.entries()) joiner.begun(resource, marks[index]);
    assert.equal(state.complete, 1);
    take(joiner, "networkpolicies", "policy");
    take(joiner, "addressgroups", "peers");
    assert.deepEqual(delivered, [["policy"], ["peers"]]);
  }
});

test("what ends in the middle of a change leaves the state before it", () => {
  const { clock, joiner, delivered, changed, mark } = begun();
  changed("networkpolicies", "policy");
  mark("networkpolicies", 1);
  joiner.close();
  clock.advance(milliseconds(heldAtMost * 2));
  assert.deepEqual(delivered, []);
});

test("more than is kept is handed on", () => {
  const { delivered, changed } = begun();
  for (let count = 0; count <= mostHeld; count++) changed("addressgroups", String(count));
  assert.equal(delivered.flat().length, mostHeld + 1);
});

test("marks that cannot be read are none", () => {
  assert.deepEqual(decodeChangeMark("b4x/12"), { origin: "b4x", number: 12 });
  for (const text of ["", "/", "a/", "/1", "a/-1", "a/1.5", "a/01", "A/1", `${"a".repeat(65)}/1`, "a/9999999999999999", "a/1/2"])
    assert.equal(decodeChangeMark(text), undefined, text);
});

const at = (number: number, origin = "one"): ChangeMark => ({ origin, number });

/** Of an event only its name is of interest here. */
const event = (resource: ControlplaneResource, name: string): ControllerEvent => ({ type: "removed", resource, name });
const take = (joiner: ReturnType<typeof createChangeJoiner>, resource: ControlplaneResource, name: string): void =>
  joiner.take(event(resource, name));

function joined() {
  const clock = virtualClock();
  const delivered: string[][] = [];
  const late: (readonly ControlplaneResource[])[] = [];
  /** Of each delivery that is not of progress alone. */
  const wholes: boolean[] = [];
  const state = { complete: 0, marksAlone: 0 };
  const joiner = createChangeJoiner({
    clock,
    deliver(events, { whole }) {
      if (events.length === 0 || events.some(({ type }) => type !== "progress")) wholes.push(whole);
      if (events.length === 0) return;
      const names = events.flatMap((each) => (each.type === "removed" ? [each.name] : []));
      if (names.length > 0) delivered.push(names);
      else state.marksAlone++;
    },
    complete: () => void state.complete++,
    late: (resources) => void late.push(resources),
  });
  return {
    clock,
    joiner,
    delivered,
    wholes,
    late,
    state,
    changed: (resource: ControlplaneResource, name: string): void => joiner.take(event(resource, name)),
    mark: (resource: ControlplaneResource, number: number): void =>
      joiner.take({ type: "progress", resource, computed: undefined }, at(number)),
  };
}

/** All streams have told their first sets. */
function begun() {
  const streams = joined();
  for (const resource of controlplaneResources) streams.joiner.begun(resource, at(0));
  return streams;
}
