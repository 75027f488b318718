import { setTimeout as wait } from "node:timers/promises";
import { adminClient } from "../src/lab/admin-client.ts";
import { run } from "../src/lab/command.ts";
import type { Lab } from "../src/lab/lab.ts";
import { type KubeClient, type NetworkPolicy, networkPolicies } from "../src/lib/kube/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { type Stream, startStream } from "./connection-stream.ts";
import { applyAndWait, cpuMs, pidOf, pod, residentMb, withLab } from "./lab.ts";

const tries = 5;
/** After each step, so that one try does not pay for what is left of the one before: snapshots, caches, lost packets. */
const restMs = 3_000;
/**
 * So many datagrams in a row that do not arrive are dropped by the policy and not lost by chance: a second. A tenth was not enough: on a machine at a load of 19 pods and switch stood
 * still for longer, and a policy was "enforced" before it was acknowledged.
 */
const droppedInARow = 2_000;
/** The same for those that arrive again. */
const arrivedInARow = 200;
/** What the switch learns by itself, as counters, and what else there is: the least policy here is thousands. */
const ownFlows = 500;

/** What a pod may reach, as many blocks: in one rule, or each in a rule of its own. */
interface Shape {
  readonly figure: string;
  readonly blocks: number;
  readonly asRules: boolean;
}
const shapes: readonly Shape[] = [
  { figure: "cidrs_ms_15000", blocks: 15_000, asRules: false },
  { figure: "rules_ms_5000", blocks: 5_000, asRules: true },
  { figure: "rules_ms_15000", blocks: 15_000, asRules: true },
];

/**
 * A policy with thousands of blocks is acknowledged by the API; how long until packets prove that it is enforced: one that is in none of the blocks is
 * dropped, and one that only the last block allows still passes.
 */
export const bench: Bench = {
  goals: { cidrs_ms_15000: 200, rules_ms_5000: 250, rules_ms_15000: 650 },
  run: ({ print }) =>
    withLab({ nodes: 2 }, async (lab, kubectl) => {
      await applyAndWait(kubectl, [
        pod("client", { node: "node-1" }),
        pod("server", { node: "node-2" }),
        pod("allowed", { node: "node-2" }),
      ]);
      const addressOf = async (name: string): Promise<string> =>
        (await kubectl(["get", "pod", name, "-o", "jsonpath={.status.podIP}"])).trim();
      const allowed = await addressOf("allowed");
      const denied = await startStream({ lab, target: await addressOf("server") });
      const passing = await startStream({ lab, target: allowed, receiver: "allowed" });
      const client = adminClient(lab.paths);
      try {
        await Promise.all([denied.steady(), passing.steady()]);
        const figures: Record<string, number> = {};
        for (const shape of shapes) {
          const found: Measured[] = [];
          for (let attempt = 0; attempt < tries; attempt++)
            found.push(await measure({ lab, client, denied, passing, policy: policyOf(shape, allowed) }));
          const enforced = found.map(({ enforcedMs }) => enforcedMs);
          figures[shape.figure] = percentile(enforced, 0.5);
          const [last] = found.slice(-1);
          print(
            `${shape.blocks} blocks in ${shape.asRules ? "as many rules" : "one rule"}: enforced ${enforced.map((ms) => ms.toFixed(0)).join(", ")} ms after the acknowledgement; ` +
              `POST ${found.map(({ postMs }) => postMs.toFixed(0)).join(", ")} ms; ${last?.flows} flows more; agent ${last?.agentMb.toFixed(0)} MB; ` +
              `processor time in ms: controller ${found.map(({ controllerCpuMs }) => controllerCpuMs).join(", ")}, agent ${found.map(({ agentCpuMs }) => agentCpuMs).join(", ")}`,
          );
        }
        return figures;
      } finally {
        denied.stop();
        passing.stop();
        client.close();
      }
    }),
};

function policyOf({ blocks, asRules }: Shape, allowed: string): NetworkPolicy {
  const cidrs = Array.from({ length: blocks - 1 }, (_, index) => `172.${16 + (index >> 14)}.${(index >> 6) & 255}.${(index & 63) * 4}/30`);
  const to = [...cidrs, `${allowed}/32`].map((cidr) => ({ ipBlock: { cidr } }));
  const egress = asRules ? to.map((peer) => ({ to: [peer] })) : [{ to }];
  return {
    metadata: { name: "blocks", namespace: "default" },
    spec: { podSelector: { matchLabels: { app: "client" } }, policyTypes: ["Egress"], egress },
  };
}

interface Measured {
  readonly postMs: number;
  readonly enforcedMs: number;
  readonly flows: number;
  readonly agentMb: number;
  readonly controllerCpuMs: number;
  readonly agentCpuMs: number;
}

async function measure({
  lab,
  client,
  denied,
  passing,
  policy,
}: {
  readonly lab: Lab;
  readonly client: KubeClient;
  readonly denied: Stream;
  readonly passing: Stream;
  readonly policy: NetworkPolicy;
}): Promise<Measured> {
  const agent = pidOf(lab, "node-1/antrea-agent");
  const controller = pidOf(lab, "antrea-controller");
  const before = { flows: await flowsOf(lab), agent: cpuMs(agent), controller: cpuMs(controller) };
  const begun = process.hrtime.bigint();
  await client.create(networkPolicies, policy);
  const acknowledged = process.hrtime.bigint();
  const dropped = await droppedByPolicy({ lab, denied, since: begun, flowsBefore: before.flows });
  const enforced = await passing.firstAfter({ since: dropped, arrived: true });
  const after = { flows: await flowsOf(lab), agent: cpuMs(agent), controller: cpuMs(controller) };
  const agentMb = residentMb(agent);
  const deleted = process.hrtime.bigint();
  await client.delete(networkPolicies, { namespace: "default", name: "blocks" });
  await denied.firstAfter({ since: deleted, arrived: true, run: arrivedInARow });
  while ((await flowsOf(lab)) > before.flows + ownFlows) await wait(restMs / 10);
  await wait(restMs);
  return {
    postMs: Number(acknowledged - begun) / 1e6,
    enforcedMs: Math.max(0, Number(enforced - acknowledged) / 1e6),
    flows: after.flows - before.flows,
    agentMb,
    controllerCpuMs: after.controller - before.controller,
    agentCpuMs: after.agent - before.agent,
  };
}

/** When the silence began that the policy makes. What came while the switch had no flow of it was no work of its: receivers without a processor hear nothing either. */
async function droppedByPolicy(options: {
  readonly lab: Lab;
  readonly denied: Stream;
  readonly since: bigint;
  readonly flowsBefore: number;
}): Promise<bigint> {
  for (let { since } = options; ; since = process.hrtime.bigint()) {
    const dropped = await options.denied.firstAfter({ since, arrived: false, run: droppedInARow });
    if ((await flowsOf(options.lab)) > options.flowsBefore + ownFlows) return dropped;
  }
}

async function flowsOf(lab: Lab): Promise<number> {
  const text = await run("ovs-ofctl", ["-O", "OpenFlow15", "dump-aggregate", `unix:${lab.paths.node("node-1").ovs}/br-int.mgmt`]);
  return Number(/flow_count=(\d+)/.exec(text)?.[1]);
}
