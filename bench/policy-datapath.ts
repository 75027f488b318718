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

const sizes = [100, 1_000, 10_000];
/**
 * Of each size: one measurement with so many policies, one with none, the first of them changing. What the machine does meanwhile meets both. One
 * pair says little (quartiles 10 % away from the median on two cores), so many's medians do to 2 or 3 %; what none against none says, shows how far.
 */
const pairs = 24;
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

interface Pair {
  readonly none: Sample;
  readonly some: Sample;
}

/** With policies ÷ without, 1 and more is as good. */
const ratios = {
  connections: ({ none, some }: Pair) => some.connectionsPerSecond / none.connectionsPerSecond,
  throughput: ({ none, some }: Pair) => some.mbits / none.mbits,
  processor: ({ none, some }: Pair) => none.usPerConnection / some.usPerConnection,
};

/** The median; of an even number the mean of the two in the middle: the lower of them is always against the ratio. */
const middle = (values: readonly number[]): number =>
  (percentile(values, 0.5) -
    percentile(
      values.map((value) => -value),
      0.5,
    )) /
  2;

const pairsOf = (measured: readonly (Pair & { readonly size: number })[], wanted: number): readonly Pair[] =>
  measured.filter(({ size }) => size === wanted);

function describe(size: number, measured: readonly Pair[]): string[] {
  const spread = (of: (pair: Pair) => number, digits: number): string =>
    [0.25, 0.5, 0.75].map((part) => percentile(measured.map(of), part).toFixed(digits)).join(" ");
  const both = (of: (sample: Sample) => number, digits = 0): string =>
    (["none", "some"] as const)
      .map((which) =>
        percentile(
          measured.map((pair) => of(pair[which])),
          0.5,
        ).toFixed(digits),
      )
      .join(" / ");
  return [
    `${size} policies: ratios (quartiles of ${measured.length} pairs): connections/s ${spread(ratios.connections, 2)}, throughput ${spread(ratios.throughput, 2)}, processor per connection ${spread(ratios.processor, 2)}`,
    `  without / with: ${both((sample) => sample.connectionsPerSecond)} connections/s, ${both((sample) => sample.mbits)} Mbit/s; of the switch's processor ${both((sample) => sample.usPerConnection, 1)} µs per connection, ${both((sample) => sample.usPerMiss, 1)} µs per miss`,
    `  ${both(({ work }) => work.passesPerPacket, 2)} passes a packet, ${both(({ work }) => work.lookupsPerHit, 2)} masks a hit, ${both(({ work }) => work.missesPerConnection, 4)} misses a connection`,
  ];
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
      const measured: (Pair & { readonly size: number })[] = [];
      for (const size of [0, ...sizes])
        for (let pair = 0; pair < pairs; pair++) {
          const sample = async (count: number): Promise<Sample> => {
            await setPolicies(node, count);
            if (pair === 0 && count > 0) print(`${size} policies: ${node.flowCount()} flows, ${encoding(node)}`);
            return await measure(node, { server, client });
          };
          const isNoneFirst = pair % 2 === 0;
          const first = await sample(isNoneFirst ? 0 : size);
          const second = await sample(isNoneFirst ? size : 0);
          measured.push({ size, ...(isNoneFirst ? { none: first, some: second } : { none: second, some: first }) });
        }
      for (const size of [0, ...sizes]) for (const line of describe(size, pairsOf(measured, size))) print(line);
      print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only processor time tells`);
      const worst = (ratio: (pair: Pair) => number): number => Math.min(...sizes.map((size) => middle(pairsOf(measured, size).map(ratio))));
      const missOf = (pairs: readonly Pair[], which: keyof Pair): number =>
        percentile(
          pairs.map((pair) => pair[which].usPerMiss),
          0.5,
        );
      return {
        crr_ratio: worst(ratios.connections),
        throughput_ratio: worst(ratios.throughput),
        crr_per_cpu_ratio: worst(ratios.processor),
        crr_ratio_none: middle(pairsOf(measured, 0).map(ratios.connections)),
        throughput_ratio_none: middle(pairsOf(measured, 0).map(ratios.throughput)),
        miss_us_10000: missOf(pairsOf(measured, 10_000), "some"),
        miss_us_0: missOf(measured, "none"),
        misses_per_connection: Math.max(...measured.map(({ some }) => some.work.missesPerConnection)),
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
