import assert from "node:assert/strict";
import { test } from "node:test";
import type { CriClient } from "#lib/cri/index.ts";
import type { KubeClient } from "#lib/kube/client.ts";
import { nodes } from "#lib/kube/kinds.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { type Duration, seconds, virtualRuntime } from "#lib/runtime/index.ts";
import type { KubeletConfig } from "./config.ts";
import { keepNodeRegistered } from "./node-registration.ts";
import type { NodeCondition, NodeReport } from "./node-status.ts";

type Conditions = readonly Partial<NodeCondition>[];

/** The API as a kubelet sees it: one node, one lease. */
function memoryApi() {
  const state: { conditions: Conditions; reports: number } = { conditions: [], reports: 0 };
  const client = {
    async get() {
      return { metadata: {}, status: { conditions: state.conditions } };
    },
    async patch(resource: { readonly plural: string }, target: { readonly subresource?: string }, body: unknown) {
      if (resource.plural !== nodes.plural || target.subresource !== "status") return body as KubeObject;
      state.reports++;
      state.conditions = (body as NodeReport).status.conditions;
      return body as KubeObject;
    },
  } as unknown as KubeClient;
  return { client, state };
}

const cri = { status: async () => ({ status: { conditions: [{ type: "NetworkReady", status: true }] } }) } as unknown as CriClient;
const config = { nodeName: "node-1", nodeAddresses: ["192.0.2.1"], port: 10250 } as unknown as KubeletConfig;

test("a node that somebody called lost says within seconds that it is not, and otherwise writes what is unchanged once in minutes", async () => {
  const runtime = virtualRuntime({ seed: 1 });
  const { client, state } = memoryApi();
  const stop = new AbortController();
  const ready = (): string | undefined => state.conditions.find(({ type }) => type === "Ready")?.status;
  keepNodeRegistered({ runtime, config, client, cri, facts: { nodeInfo: {}, capacity: {} }, signal: stop.signal });
  const pass = async (time: Duration): Promise<void> => {
    for (let passed = 0; passed < time; passed += seconds(1)) {
      runtime.clock.advance(seconds(1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await pass(seconds(60));
  assert.deepEqual([ready(), state.reports], ["True", 1]);
  state.conditions = state.conditions.map((condition) => ({ ...condition, status: "Unknown", reason: "NodeStatusUnknown" }));
  await pass(seconds(11));
  assert.deepEqual([ready(), state.reports], ["True", 2]);
  await pass(seconds(280));
  assert.equal(state.reports, 2);
  await pass(seconds(40));
  assert.equal(state.reports, 3);
  stop.abort();
});
