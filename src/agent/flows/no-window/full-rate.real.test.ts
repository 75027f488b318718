import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import type { World } from "#core/policy/cases/reference.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { cutSocket } from "#lib/openflow/testing/cut-socket.ts";
import { seededRandom, silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import type { FlowTarget } from "../reconciler.ts";
import { createPacketNode } from "../testing/packet-node.ts";
import { createChangingNode, inParts, removingFirst } from "./changing-node.ts";
import { startTraffic } from "./full-rate.ts";
import { changingWorlds } from "./worlds.ts";

// Open vSwitch under as many packets as it takes, while policies change.

const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };
/** `NO_WINDOW_CHANGES=1000 NO_WINDOW_SEED=7`: the long form. */
const changes = Number(process.env.NO_WINDOW_CHANGES ?? 60);
const seed = Number(process.env.NO_WINDOW_SEED ?? 1);
const limit = { timeout: 240_000 + changes * 2_000 };

interface Played {
  readonly changes: number;
  readonly seconds: number;
  readonly violations: readonly string[];
  readonly counts: { readonly sent: number; readonly arrived: number; readonly mayEnd: number };
}

async function play(wanted: {
  readonly name: string;
  readonly changes: number;
  readonly faulty?: (target: FlowTarget) => FlowTarget;
  /** Opens the way to the switch. Default: its socket, which lasts. */
  readonly open?: (path: string) => Duplex;
  readonly atOnce?: number;
}): Promise<Played> {
  const { faulty = (target: FlowTarget) => target, open: openSocket = (path: string) => createConnection({ path }), atOnce } = wanted;
  const node = await createPacketNode(wanted.name, ["a", "b", "c", "d"]);
  const closing: (() => void)[] = [];
  try {
    // The pods' own stacks would answer each packet with an ICMP error.
    for (const { networkNamespace } of node.pods) await run("ip", ["-n", networkNamespace, "address", "flush", "dev", "eth0"]);
    const changing = createChangingNode({
      gateway: node.gateway,
      tunnel: { ofport: 32_768 },
      ports: node.pods.map(({ port }) => port),
      connect: async (signal) => faulty(await connectOpenFlow({ runtime, socket: openSocket(node.ovs.management("br0")), signal })),
      ...(atOnce === undefined ? {} : { atOnce }),
    });
    closing.push(() => changing.stop());
    const worlds = changingWorlds({
      pods: node.pods.map(({ port: { podName: name, addresses } }) => ({ name, addresses })),
      random: seededRandom(seed),
    });
    const open: World = { ...worlds.next().value, policies: [], antreaPolicies: [] };
    await changing.become(open);
    const traffic = startTraffic({ pods: node.pods, world: open, inParts: atOnce !== undefined });
    closing.push(() => traffic.stop());
    await traffic.passes();
    const since = performance.now();
    let done = 0;
    for (; done < wanted.changes && traffic.violations.length === 0; done++) {
      const world = worlds.next().value;
      traffic.changing(world);
      await changing.become(world);
      // As the agent does after each change, and for its reason (`agent/ovs/fresh-cache.ts`).
      await node.ovs.appctl("revalidator/purge");
      traffic.inForce();
      await traffic.passes();
    }
    const { violations, counts } = traffic;
    return {
      changes: done,
      seconds: (performance.now() - since) / 1_000,
      violations: violations.map((each) => `change ${done} of seed ${seed}: ${each}`),
      counts,
    };
  } finally {
    for (const close of closing.toReversed()) close();
    await node.remove();
  }
}

const tell = ({ changes: done, seconds, counts }: Played): string =>
  `${counts.sent} packets (${(counts.sent / seconds).toFixed(0)}/s), ${counts.mayEnd} of them forbidden or under a change, through ${done} changes in ${seconds.toFixed(0)} s`;

test(`${changes} changes of policies show old or new verdicts only, and cut nothing`, limit, async (context) => {
  const played = await play({ name: "window", changes });
  assert.deepEqual(played.violations, []);
  assert.ok(played.counts.mayEnd > 0 && played.counts.arrived > 0);
  context.diagnostic(tell(played));
});

/** So small that most changes go in several parts. */
const partSize = 4;
/** Bytes of a connection: it says some 5 000 before it changes anything, most changes are fewer, the largest are ten times that. */
const lives = [8_000, 8_000, 8_000, 60_000] as const;

test("in parts, by connections that break at any byte: old or new verdicts only, and nothing is cut", limit, async (context) => {
  const random = seededRandom(seed);
  let connections = 0;
  const open = (path: string): Duplex => cutSocket({ path, after: random.below(lives[connections++ % lives.length] ?? 0) }).socket;
  const played = await play({
    name: "windowc",
    changes: Math.ceil(changes / 2),
    open,
    atOnce: partSize,
    faulty: (target) => inParts(target, partSize),
  });
  assert.deepEqual(played.violations, []);
  context.diagnostic(`${connections} connections; ${tell(played)}`);
});

/** It shows within some ten, as packets are on their way all the time; a machine that has no time for them may take many. */
const faultyChanges = 5_000;

test("is caught: removals before additions", limit, async (context) => {
  const played = await play({ name: "windowf", changes: faultyChanges, faulty: removingFirst });
  assert.ok(played.violations.length > 0);
  context.diagnostic(`${played.violations[0]}; ${tell(played)}`);
});
