import assert from "node:assert/strict";
import { test } from "node:test";
import type { World } from "#core/policy/cases/reference.ts";
import type { LocalPort } from "#core/pipeline/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createMemorySwitch, memoryConnection } from "#lib/openflow/switch/index.ts";
import { seconds, seededRandom, virtualClock } from "#lib/runtime/index.ts";
import type { FlowTarget } from "../reconciler.ts";
import { createChangingNode, tablesForward, removingFirst } from "./changing-node.ts";
import { changingWorlds } from "./worlds.ts";
import { frameTemplate, isAllowed, readFrame, waysBetween } from "./ways.ts";

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
}: {
  readonly changes: number;
  readonly seed: number;
  readonly faulty?: (target: FlowTarget) => FlowTarget;
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
    connect: () => {
      const connection = memoryConnection(memory, { clock });
      const watched: FlowTarget = {
        ...connection,
        async change(bundle) {
          if (when !== "") observe(`${when}, before a bundle`);
          await connection.change(bundle);
          if (when !== "") observe(`${when}, after a bundle`);
        },
      };
      return Promise.resolve(faulty(watched));
    },
  });
  const worlds = changingWorlds({ pods: pods.map(({ podName: name, addresses }) => ({ name, addresses })), random: seededRandom(seed) });
  const open: World = { ...worlds.next().value, policies: [], antreaPolicies: [] };
  const verdicts = (world: World): Map<string, boolean> => new Map(ways.map((way) => [way.title, isAllowed(world, way)]));
  let done = 0;
  try {
    await node.become(open);
    let before = verdicts(open);
    permitted = new Map([...before].map(([title, verdict]) => [title, new Set([verdict])]));
    observe("at the start");
    for (; done < changes && violations.length === 0; done++) {
      const world = worlds.next().value;
      const after = verdicts(world);
      when = `change ${done} of seed ${seed}`;
      permitted = new Map([...after].map(([title, verdict]) => [title, new Set([verdict, before.get(title) ?? verdict])]));
      await node.become(world);
      permitted = new Map([...after].map(([title, verdict]) => [title, new Set([verdict])]));
      observe(`${when}, in force`);
      before = after;
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

test(`${asked.changes} changes of policies show old or new verdicts only, and cut nothing`, limit, async (context) => {
  const { packets, changes, violations } = await play(asked);
  assert.deepEqual(violations.slice(0, 5), []);
  context.diagnostic(`${packets} packets through ${changes} changes`);
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
