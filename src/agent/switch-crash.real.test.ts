import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parseAddress } from "#lib/ip/index.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { reaches } from "./testing/answered-ways.ts";
import { createTwoNodes, type TwoNodes } from "./testing/two-nodes.ts";

// ovs-vswitchd dies on a node whose datapath is the kernel's, which goes on with what it has cached. What it has not waits until policies are back
// (`npm run test:kernel`); src/agent/agent.test.ts shows the same of the datapath in user space, which dies with it.

const skip = withoutKernel;
const run = promisify(execFile);
let nodes: TwoNodes;
before(async () => {
  if (skip) return;
  nodes = await createTwoNodes("crash");
  await nodes.start();
  await nodes.addPods();
  await nodes.right("at first");
});
after(() => nodes?.remove());

/** As its supervisor does. */
async function startAnew(): Promise<void> {
  await nodes.a.node.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true");
  await nodes.a.node.startSwitch();
}

/** Seconds until a way that nobody has taken before is open; the answer is a reset by the pod itself. */
async function untilForwarding(from: string, addresses: readonly string[]): Promise<number> {
  const begun = performance.now();
  for (const address of addresses) await nodes.a.eventually(() => reaches(from, address, patience(1_000) / 1_000));
  return (performance.now() - begun) / 1_000;
}

test("ovs-vswitchd is killed beside its agent: what no policy allows does not cross meanwhile, and all is right again", {
  skip,
  timeout: patience(240_000),
}, async (context) => {
  const { known, stranger, other, server } = nodes.pods;
  const forbidden = await countArrivals(server.namespace, [...stranger.addresses, ...other.addresses]);
  const knocking = knock([stranger.namespace, other.namespace], server.addresses);
  await nodes.a.node.killSwitch();
  await startAnew();
  const seconds = await untilForwarding(known.namespace, other.addresses);
  context.diagnostic(`forwards a new way ${seconds.toFixed(1)} s after its start`);
  await nodes.right("after the crash");
  assert.ok((await knocking.stop()) > 0);
  assert.equal(await forbidden(), 0, "packets that no policy allows came through");
});

test("ovs-vswitchd and the agent are killed: without the agent no new way opens, with it all is right again", {
  skip,
  timeout: patience(240_000),
}, async (context) => {
  const { stranger, other, server } = nodes.pods;
  const forbidden = await countArrivals(server.namespace, [...stranger.addresses, ...other.addresses]);
  const knocking = knock([stranger.namespace, other.namespace], server.addresses);
  const { a } = nodes;
  await a.stop("SIGKILL");
  await a.node.killSwitch();
  await startAnew();
  for (const address of stranger.addresses)
    assert.ok(!(await reaches(other.namespace, address, 2)), `other to ${address} before its policies are back`);
  a.start();
  const seconds = await untilForwarding(other.namespace, stranger.addresses);
  context.diagnostic(`forwards a new way ${seconds.toFixed(1)} s after the agent's start`);
  await a.eventually(async () => (await a.ask("/readyz")) === "ok");
  await nodes.right("after the crash of both");
  assert.ok((await knocking.stop()) > 0);
  assert.equal(await forbidden(), 0, "packets that no policy allows came through");
});

/** Of a connection the first packet: what these answer to a connection of the pod's own is allowed. */
const begins = "tcp flags & (syn | ack) == syn";

/** Tells how many connections of these have come as far as to the pod since the call. */
async function countArrivals(namespace: string, from: readonly string[]): Promise<() => Promise<number>> {
  const inPod = (...args: string[]): Promise<{ readonly stdout: string }> => run("ip", ["netns", "exec", namespace, "nft", ...args]);
  const rules = from.map(
    (address) => `${parseAddress(address).family === 4 ? "ip" : "ip6"} saddr ${address} ${begins} counter name "arrived"`,
  );
  await inPod("delete", "table", "inet", "forbidden").catch(() => {});
  await inPod(
    `table inet forbidden {
  counter arrived { }
  chain input {
    type filter hook prerouting priority -300
    ${rules.join("\n    ")}
  }
}`,
  );
  return async () => Number(/packets (\d+)/.exec((await inPod("list", "counter", "inet", "forbidden", "arrived")).stdout)?.[1]);
}

/** New connections one after the other, until stopped; resolves with how many were tried. */
function knock(from: readonly string[], addresses: readonly string[]): { stop(): Promise<number> } {
  let stopped = false;
  let tried = 0;
  const knocking = Promise.all(
    from.map(async (namespace) => {
      while (!stopped)
        for (const address of addresses) {
          await reaches(namespace, address, 1);
          tried++;
        }
    }),
  );
  return {
    async stop() {
      stopped = true;
      await knocking;
      return tried;
    },
  };
}
