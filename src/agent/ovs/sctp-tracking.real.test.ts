import assert from "node:assert/strict";
import { test } from "node:test";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { createPacketNode } from "../flows/testing/packet-node.ts";
import { tracksSctpPorts } from "./sctp-tracking.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };

test("the kernel's tracker knows ports of SCTP, that of Open vSwitch 3.1 does not; nothing of the question stays", {
  timeout: patience(240_000),
}, async () => {
  const node = await createPacketNode("sctpt", []);
  try {
    const found = await tracksSctpPorts({
      connect: (signal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal }),
      control: (command, args = []) => node.ovs.appctl(command, ...args),
      logger: silentLogger,
      signal: AbortSignal.timeout(amplePatience),
    });
    assert.equal(found, testDatapath === "system");
    assert.doesNotMatch(await node.ovs.appctl("dpctl/dump-conntrack"), /zone=65500/);
  } finally {
    await node.remove();
  }
});

test("a switch that does not answer is one that does not know them", async () => {
  const found = await tracksSctpPorts({
    connect: () => Promise.reject(new Error("away")),
    control: () => Promise.resolve(""),
    logger: silentLogger,
    signal: new AbortController().signal,
  });
  assert.equal(found, false);
});
