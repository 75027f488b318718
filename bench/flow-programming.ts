import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import { createPipeline } from "../src/core/pipeline/index.ts";
import { createPolicyCompiler, type PolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import { formatFlow } from "../src/lib/openflow/flow-text.ts";
import type { Flow } from "../src/lib/openflow/flow.ts";
import { type Bench, percentile } from "./bench.ts";
import { cpuNs, switchPid } from "./iperf.ts";
import { startPacketStream } from "./packet-stream.ts";
import { fromGroups, group, localPort, member, numbers, policy, rule, subjects, tcp } from "./policy-rows.ts";
import { type ProgrammedNode, withProgrammedNode } from "./programmed-node.ts";

const packetsPerSecond = 5_000;
const rounds = 7;
/** Peers in each direction, in sets of this many. */
const peers = 60_000;
const setSize = 500;

/** Flows of policies into a real switch that forwards a stream meanwhile: ours in chunks, `ovs-ofctl --bundle` beside it. */
export const bench: Bench = {
  goals: {
    mods_per_s: { atLeast: 150_000 },
    packets_lost: { atMost: 0 },
    vs_ofctl: { atLeast: 1 },
    bytes_per_flow: 600,
  },
  async run({ print }) {
    const { bytesPerFlow, flows } = measureMemory();
    print(`${flows.length} flows of policies, ${bytesPerFlow.toFixed(0)} bytes each with everything that leads to them`);
    return withProgrammedNode(["server", "client"], async (node) => {
      const figures = await compare(node, flows, print);
      return { ...figures, bytes_per_flow: bytesPerFlow };
    });
  },
};

/** What the policies of a node cost in memory: rows of the controller, the compiler's state, desired flows with keys and owners; per flow. */
function measureMemory(): { readonly bytesPerFlow: number; readonly flows: readonly Flow[] } {
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline: createPipeline(), ledger, families: [4] });
  const before = usedBytes();
  setPolicies(compiler);
  compiler.compile();
  ledger.takeChange();
  compiler.settle();
  const bytesPerFlow = (usedBytes() - before) / ledger.size;
  return { bytesPerFlow, flows: [...ledger.flows()].map(([, flow]) => flow) };
}

function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  for (let round = 0; round < 3; round++) collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function setPolicies(compiler: PolicyCompiler): void {
  compiler.setPort(localPort(1));
  compiler.setAppliedToGroup(subjects("pods", [1]));
  for (const [direction, network] of [
    ["In", "10.20"],
    ["Out", "10.21"],
  ] as const)
    for (const set of numbers(peers / setSize)) {
      const name = `${direction}-${set}`;
      compiler.setAddressGroup(
        group(
          name,
          numbers(setSize, set * setSize).map((number) => member(number, network)),
        ),
      );
      compiler.setPolicy(policy(name, "pods", rule({ direction, peer: fromGroups(name), services: tcp(80, 443, 1_000 + set) })));
    }
}

async function compare(
  node: ProgrammedNode,
  flows: readonly Flow[],
  print: (line: string) => void,
): Promise<Readonly<Record<string, number>>> {
  const [server, client] = node.pods;
  if (server === undefined || client === undefined) throw new Error("the node has no pods");
  const pid = switchPid(node.ovs.database);
  const file = join(node.ovs.directory, "flows.txt");
  await writeFile(file, flows.map((flow) => `${formatFlow(flow)}\n`).join(""));
  const adds = flows.map((flow) => ({ command: "add" as const, flow }));
  const removes = flows.map((flow) => ({ command: "delete_strict" as const, flow }));
  const timed = async (work: () => Promise<unknown>) => {
    const [start, switchStart, ownStart] = [performance.now(), cpuNs(pid), process.cpuUsage()];
    await work();
    const own = process.cpuUsage(ownStart);
    const seconds = (performance.now() - start) / 1_000;
    return { rate: flows.length / seconds, switchMs: (cpuNs(pid) - switchStart) / 1e6, ownMs: (own.user + own.system) / 1_000 };
  };
  const switchUs: number[] = [];
  const ownUs: number[] = [];
  const ours: number[] = [];
  const theirs: number[] = [];
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const stream = await startPacketStream({
      from: client.networkNamespace,
      to: server.networkNamespace,
      target: server.addresses[4],
      packetsPerSecond,
    });
    const mine = await timed(() => node.connection.change(adds));
    const { sent, lost: lostNow } = await stream.stop();
    const present = await node.connection.countFlows();
    if (present.flows < flows.length) throw new Error(`${flows.length} flows were added, the switch has ${present.flows}`);
    await node.connection.change(removes);
    const ofctl = await timed(() => node.ovs.ofctl("add-flows", "br0", file, "--bundle"));
    await node.connection.change(removes);
    // The first round warms both up.
    if (round === 0) continue;
    lost += lostNow;
    ours.push(mine.rate);
    theirs.push(ofctl.rate);
    switchUs.push((mine.switchMs * 1_000) / flows.length);
    ownUs.push((mine.ownMs * 1_000) / flows.length);
    print(
      `ours ${mine.rate.toFixed(0)}/s (switch ${mine.switchMs.toFixed(0)} ms, we ${mine.ownMs.toFixed(0)} ms), ${lostNow} of ${sent} packets lost; ovs-ofctl ${ofctl.rate.toFixed(0)}/s (switch ${ofctl.switchMs.toFixed(0)} ms)`,
    );
  }
  return {
    mods_per_s: percentile(ours, 0.5),
    packets_lost: lost,
    vs_ofctl: percentile(
      ours.map((rate, index) => rate / (theirs[index] ?? Number.NaN)),
      0.5,
    ),
    ofctl_per_s: percentile(theirs, 0.5),
    // Processor time: what tells on a machine that others keep busy.
    switch_us_per_mod: percentile(switchUs, 0.5),
    own_us_per_mod: percentile(ownUs, 0.5),
  };
}
