import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frontend } from "#core/services/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import { compileSkeleton, createPipeline } from "../index.ts";
import { compileFrontend } from "../service/compile.ts";

const tracked = createPipeline({ tracksSctp: true });

test("where the tracker knows SCTP's ports, it is no exception: known connections pass over policy as those of TCP do", () => {
  const skeleton = compileSkeleton(tracked).map((flow) => formatFlow(flow));
  assert.deepEqual(
    skeleton.filter((flow) => flow.includes("sctp")),
    [],
  );
});

test("and Services of SCTP are translated by it as those of UDP are", () => {
  const flowsOf = (protocol: "SCTP" | "UDP"): string[] => {
    const frontend: Frontend = {
      portName: "shop/web:p",
      address: parseAddress("10.96.0.1"),
      protocol,
      port: 9_003,
      endpoints: ["10.10.0.2", "10.10.1.2"].map((address) => ({ address: parseAddress(address), port: 9_004 })),
      whenEmpty: "reject",
    };
    return compileFrontend(tracked, frontend, { service: 1, group: 2, endpoints: [3, 4] }).flows.map((flow) => formatFlow(flow));
  };
  assert.deepEqual(
    flowsOf("SCTP").map((flow) => flow.replaceAll("sctp", "udp")),
    flowsOf("UDP"),
  );
});
