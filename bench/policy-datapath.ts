import { execFile } from "node:child_process";
import { loadavg } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { GroupMember } from "../src/core/api/controlplane/index.ts";
import type { PacketPod } from "../src/agent/flows/testing/packet-node.ts";
import { type Bench, percentile } from "./bench.ts";
import { cpuNs, switchPid, transfer } from "./iperf.ts";
import { fromGroups, group, member, numbers, policy, rule, tcp } from "./policy-rows.ts";
import { type ProgrammedNode, withProgrammedNode } from "./programmed-node.ts";

const sizes = [0, 100, 1_000, 10_000];
const rounds = 6;
const milliseconds = 1_000;
const firstPort = 20_000;
const ports = 16;
const iperfPort = 5_201;
/** UDP ports that the bursts go to, all allowed; a third of the policies name one of them, too. */
const burst = { first: 30_000, count: 3_000 };

interface Sample {
  readonly connectionsPerSecond: number;
  readonly mbits: number;
  /** Processor time of the switch. */
  readonly usPerConnection: number;
  readonly usPerMiss: number;
  /** What the datapath did for the packets of connections, by its own count: no load of the machine changes that. */
  readonly work: DatapathWork;
}

interface DatapathWork {
  readonly passesPerPacket: number;
  readonly lookupsPerHit: number;
  readonly missesPerConnection: number;
}

/** Does what passes a pod with many policies cost more than what passes one without? TCP connections and throughput, and the cost of a miss. */
export const bench: Bench = {
  goals: { crr_ratio: { atLeast: 0.95 }, throughput_ratio: { atLeast: 0.95 } },
  run: ({ print }) =>
    withProgrammedNode(["server", "client"], async (node) => {
      const [server, client] = node.pods;
      if (server === undefined || client === undefined) throw new Error("the node has no pods");
      server.start(process.execPath, script("./tcp-server.ts"), String(firstPort), String(ports));
      server.start("iperf3", "-s", "-p", String(iperfPort));
      node.compiler.setAppliedToGroup(group("servers", [{ ...asMember(server), ips: [] }]));
      benchClient = [asMember(client)];
      node.compiler.setAddressGroup(
        group(
          "others",
          numbers(manyPeers).map((number) => member(number, "10.21")),
        ),
      );
      await wait(500);
      const samples = new Map<number, Sample[]>(sizes.map((size) => [size, []]));
      for (let round = 0; round < rounds; round++) {
        for (const size of round % 2 === 0 ? sizes : sizes.toReversed()) {
          await setPolicies(node, size);
          if (round === 0) print(`${size} policies: ${node.flowCount()} flows, ${encoding(node)}`);
          samples.get(size)?.push(await measure(node, { server, client }));
        }
      }
      const median = (size: number, of: (sample: Sample) => number): number => percentile((samples.get(size) ?? []).map(of), 0.5);
      for (const size of sizes) {
        const [rate, mbits, perConnection, perMiss] = [
          median(size, (sample) => sample.connectionsPerSecond),
          median(size, (sample) => sample.mbits),
          median(size, (sample) => sample.usPerConnection),
          median(size, (sample) => sample.usPerMiss),
        ];
        const [passes, lookups, missing] = [
          median(size, ({ work }) => work.passesPerPacket),
          median(size, ({ work }) => work.lookupsPerHit),
          median(size, ({ work }) => work.missesPerConnection),
        ];
        print(
          `${size} policies: ${passes.toFixed(2)} passes a packet, ${lookups.toFixed(2)} masks a hit, ${missing.toFixed(4)} misses a connection`,
        );
        print(
          `${size} policies: ${rate.toFixed(0)} connections/s, ${mbits.toFixed(0)} Mbit/s; of the switch's processor ${perConnection.toFixed(1)} µs per connection, ${perMiss.toFixed(1)} µs per miss`,
        );
      }
      print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only processor time tells`);
      const worst = (of: (sample: Sample) => number, better: "more" | "less"): number =>
        Math.min(
          ...sizes.slice(1).map((size) => {
            const ratio = median(size, of) / median(0, of);
            return better === "more" ? ratio : 1 / ratio;
          }),
        );
      return {
        crr_ratio: worst((sample) => sample.connectionsPerSecond, "more"),
        throughput_ratio: worst((sample) => sample.mbits, "more"),
        crr_per_cpu_ratio: worst((sample) => sample.usPerConnection, "less"),
        miss_us_10000: median(10_000, (sample) => sample.usPerMiss),
        miss_us_0: median(0, (sample) => sample.usPerMiss),
        misses_per_connection: Math.max(...sizes.map((size) => median(size, ({ work }) => work.missesPerConnection))),
      };
    }),
};

const asMember = ({ port }: PacketPod) => ({
  pod: { namespace: port.podNamespace, name: port.podName },
  ips: port.addresses.filter(({ family }) => family === 4),
  ports: [],
});

const encoding = ({ compiler }: ProgrammedNode): string => {
  const { rounds, inlineRules, refusedRules } = compiler.figures().In;
  return `${rounds} rounds, ${inlineRules} rules with their peers inline, ${refusedRules} refused for want of sets`;
};

let benchClient: readonly GroupMember[] = [];
let present = 0;
const fewPeers = 2;
const manyPeers = 12;

/**
 * `count` policies, a quarter with a few peers of their own, a quarter with many. The one that allows the bench's own traffic is among the
 * latter and comes last, so that all rounds are gone through for it.
 */
async function setPolicies(node: ProgrammedNode, count: number): Promise<void> {
  const { compiler } = node;
  for (const number of numbers(present)) {
    compiler.removePolicy(`p-${number}`);
    compiler.removeAddressGroup(`own-${number}`);
  }
  await node.apply();
  for (const number of numbers(count)) {
    const last = number === count - 1;
    const own = number % 2 === 1 || last;
    const peers = numbers(number % 4 === 1 && !last ? fewPeers : manyPeers).map((index) => member(number + index * 500));
    if (own) compiler.setAddressGroup(group(`own-${number}`, last ? [...peers, ...benchClient] : peers));
    const services = last ? benchTraffic : number % 3 === 0 ? udp(burst.first + (number % burst.count)) : tcp(1_000 + number);
    compiler.setPolicy(policy(`p-${number}`, "servers", rule({ peer: fromGroups(own ? `own-${number}` : "others"), services })));
  }
  present = count;
  await node.apply();
}

const udp = (port: number) => [{ protocol: "UDP" as const, port }];
const benchTraffic = [
  { protocol: "TCP" as const, port: firstPort, endPort: firstPort + ports - 1 },
  ...tcp(iperfPort),
  { protocol: "UDP" as const, port: burst.first, endPort: burst.first + burst.count - 1 },
];

async function measure(
  node: ProgrammedNode,
  { server, client }: { readonly server: PacketPod; readonly client: PacketPod },
): Promise<Sample> {
  const pid = switchPid(node.ovs.database);
  const target = server.addresses[4];
  const inClient = (name: string, ...args: readonly (string | number)[]): Promise<string> =>
    runInside(client.networkNamespace, process.execPath, [script(name), target, ...args.map(String)]);
  await wait(200);
  await node.ovs.appctl("dpif-netdev/pmd-stats-clear");
  const before = cpuNs(pid);
  const connections = Number(await inClient("./tcp-client.ts", firstPort, ports, milliseconds));
  const spent = cpuNs(pid) - before;
  const work = await datapathWork(node, connections);
  const { mbits } = await transfer(client.networkNamespace, { protocol: "tcp", target, seconds: milliseconds / 1_000, watched: [pid] });
  // Each datagram is a miss then, twice: before and behind connection tracking.
  await node.ovs.appctl("upcall/disable-megaflows");
  const missesBefore = await misses(node);
  const missStart = cpuNs(pid);
  await inClient("./udp-burst.ts", burst.first, burst.count);
  const spentOnMisses = cpuNs(pid) - missStart;
  const missed = (await misses(node)) - missesBefore;
  await node.ovs.appctl("upcall/enable-megaflows");
  return {
    connectionsPerSecond: connections / (milliseconds / 1_000),
    mbits,
    usPerConnection: spent / 1_000 / connections,
    usPerMiss: spentOnMisses / 1_000 / missed,
    work,
  };
}

/** Packets that the datapath's caches did not know so far. */
async function misses({ ovs }: ProgrammedNode): Promise<number> {
  const text = await ovs.appctl("dpif-netdev/pmd-stats-show");
  return [...text.matchAll(/miss with success upcall: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Since its counters were cleared. */
async function datapathWork(node: ProgrammedNode, connections: number): Promise<DatapathWork> {
  const text = await node.ovs.appctl("dpif-netdev/pmd-stats-show");
  const number = (name: string): number => Number(new RegExp(`${name}: ([\\d.]+)`).exec(text)?.[1] ?? Number.NaN);
  return {
    passesPerPacket: number("avg. datapath passes per packet"),
    lookupsPerHit: number("avg. subtable lookups per megaflow hit"),
    missesPerConnection: (await misses(node)) / connections,
  };
}

const run = promisify(execFile);
const runInside = async (networkNamespace: string, program: string, args: readonly string[]): Promise<string> =>
  (await run("ip", ["netns", "exec", networkNamespace, program, ...args], { timeout: 20_000 })).stdout;
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
