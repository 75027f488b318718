import assert from "node:assert/strict";
import { test } from "node:test";
import type { World } from "#core/policy/cases/reference.ts";
import type { LocalPort } from "#core/pipeline/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { changedConnection } from "#lib/openflow/changed-connection.ts";
import { createMemorySwitch, memoryConnection } from "#lib/openflow/switch/index.ts";
import { seconds, seededRandom, virtualClock } from "#lib/runtime/index.ts";
import type { FlowTarget } from "../reconciler.ts";
import { createChangingNode, cutting, tablesForward, removingFirst } from "./changing-node.ts";
import { changingWorlds } from "./worlds.ts";
import { frameTemplate, readFrame, verdictsBetween, waysBetween } from "./ways.ts";

// The switch in memory: every way is asked by a new connection, and every established one goes on, before, between and after all messages of a change.

const pods: readonly LocalPort[] = ["a", "b", "c", "d"].map((podName, index) => ({
  interfaceName: podName,
  ofport: 10 + index,
  mac: parseMac(`0a:00:00:00:00:0${index + 2}`),
  addresses: [`10.10.0.${index + 2}`, `fd00:10::${index + 2}`].map(parseAddress),
  podNamespace: "shop",
  podName,
  containerId: podName,
}));
const gateway = { ofport: 2, mac: parseMac("0e:00:00:00:00:01"), addresses: ["10.10.0.1", "fd00:10::1"].map(parseAddress) };
const establishedPorts = { asker: 7_000, answerer: 7_777 } as const;
/** Between changes: UDP connections that say nothing are forgotten after at most 60 s, and ours go on. */
const pause = seconds(10);

interface Played {
  readonly packets: number;
  readonly changes: number;
  /** The first packets that met neither the old nor the new verdict. */
  readonly violations: readonly string[];
}

async function play({
  changes,
  seed,
  faulty = (target) => target,
  atOnce,
}: {
  readonly changes: number;
  readonly seed: number;
  readonly faulty?: (target: FlowTarget) => FlowTarget;
  readonly atOnce?: number;
}): Promise<Played> {
  const clock = virtualClock();
  const memory = createMemorySwitch({
    clock,
    random: seededRandom(seed),
    ports: [{ number: 1, tunnel: true }, { number: 2 }, ...pods.map(({ ofport }) => ({ number: ofport }))],
  });
  const ways = waysBetween(pods).map((way) => ({ ...way, template: frameTemplate(way) }));
  const established = ways
    .filter(({ port }) => port === 80)
    .map((way) => {
      const back = { from: way.to, to: way.from, source: way.destination, destination: way.source };
      return {
        title: `established ${way.title}`,
        there: { inPort: way.from.ofport, outPort: way.to.ofport, template: frameTemplate({ ...way, port: establishedPorts.answerer }) },
        back: { inPort: way.to.ofport, outPort: way.from.ofport, template: frameTemplate({ ...back, port: establishedPorts.asker }) },
      };
    });
  const violations: string[] = [];
  let packets = 0;
  let sourcePort = 10_000;
  const arrives = (inPort: number, outPort: number, frame: Uint8Array): boolean => {
    packets++;
    return memory.process({ inPort, frame }).outputs.some(({ port, frame: left }) => port === outPort && readFrame(left) !== undefined);
  };
  /** Each verdict must be one of `worlds`: the old and the new one while a change is under way. */
  let permitted: ReadonlyMap<string, ReadonlySet<boolean>> = new Map();
  const observe = (when: string): void => {
    sourcePort = sourcePort >= 60_000 ? 10_000 : sourcePort + 1;
    for (const { title, from, to, template } of ways) {
      const seen = arrives(from.ofport, to.ofport, template.with(sourcePort, 0, packets));
      if (permitted.get(title)?.has(seen) !== true) violations.push(`${when}: ${title} ${seen ? "arrives" : "ends"}`);
    }
    for (const { title, there, back } of established)
      if (
        !arrives(there.inPort, there.outPort, there.template.with(establishedPorts.asker, 0, packets)) ||
        !arrives(back.inPort, back.outPort, back.template.with(establishedPorts.answerer, 0, packets))
      )
        violations.push(`${when}: ${title} is cut`);
  };
  let when = "";
  const node = createChangingNode({
    gateway,
    tunnel: { ofport: 1 },
    ports: pods,
    ...(atOnce === undefined ? {} : { atOnce }),
    connect: () => {
      const connection = memoryConnection(memory, { clock });
      const watched = changedConnection<FlowTarget>(connection, {
        async change(bundle) {
          if (when !== "") observe(`${when}, before a bundle`);
          await connection.change(bundle);
          if (when !== "") observe(`${when}, after a bundle`);
        },
      });
      return Promise.resolve(faulty(watched));
    },
  });
  const worlds = changingWorlds({ pods: pods.map(({ podName: name, addresses }) => ({ name, addresses })), random: seededRandom(seed) });
  const open: World = { ...worlds.next().value, policies: [], antreaPolicies: [] };
  let done = 0;
  try {
    await node.become(open);
    let before = open;
    const inParts = atOnce !== undefined;
    const permit = (from: World, to: World): void => {
      permitted = new Map(ways.map((way) => [way.title, verdictsBetween(from, to, way, { inParts: inParts && from !== to })]));
    };
    permit(open, open);
    observe("at the start");
    for (; done < changes && violations.length === 0; done++) {
      const world = worlds.next().value;
      when = `change ${done} of seed ${seed}`;
      permit(before, world);
      await node.become(world);
      permit(world, world);
      observe(`${when}, in force`);
      before = world;
      clock.advance(pause);
    }
  } finally {
    node.stop();
  }
  return { packets, changes: done, violations };
}

const limit = { timeout: 280_000 };
/** `NO_WINDOW_CHANGES=1000 NO_WINDOW_SEED=7`: the long form, as soak plays it. */
const asked = { changes: Number(process.env.NO_WINDOW_CHANGES ?? 250), seed: Number(process.env.NO_WINDOW_SEED ?? 1) };

/** So small that most changes go in several parts. */
const parts = 4;

test(`${asked.changes} changes of policies show old or new verdicts only, and cut nothing`, limit, async (context) => {
  const { packets, changes, violations } = await play(asked);
  assert.deepEqual(violations.slice(0, 5), []);
  context.diagnostic(`${packets} packets through ${changes} changes`);
});

test("in parts, and cut in between again and again: old or new verdicts only, and the next connection ends it", limit, async (context) => {
  const random = seededRandom(asked.seed);
  let cuts = 0;
  const cut = (target: FlowTarget): FlowTarget => cutting(target, { partSize: parts, random, onCut: () => void cuts++ });
  const { packets, changes, violations } = await play({ ...asked, changes: Math.ceil(asked.changes / 5), atOnce: parts, faulty: cut });
  assert.deepEqual(violations.slice(0, 5), []);
  context.diagnostic(`${packets} packets through ${changes} changes, ${cuts} cuts`);
});

for (const [title, faulty] of [
  ["removals before additions", removingFirst],
  ["one table after the other in the order that packets meet them", tablesForward],
] as const)
  test(`is caught: ${title}`, limit, async (context) => {
    const { changes, violations } = await play({ changes: 200, seed: 1, faulty });
    assert.ok(violations.length > 0);
    context.diagnostic(`after ${changes} changes: ${violations[0]}`);
  });
