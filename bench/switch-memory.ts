import { nothing } from "../src/core/api/controlplane/index.ts";
import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  createPipeline,
  type LocalPort,
} from "../src/core/pipeline/index.ts";
import { createPolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import { parseAddress, parseMac, parsePrefix } from "../src/lib/ip/index.ts";
import { createMemorySwitch } from "../src/lib/openflow/switch/index.ts";
import { encodeFrame } from "../src/lib/packet/index.ts";
import { seededRandom, virtualClock } from "../src/lib/runtime/index.ts";
import type { Bench } from "./bench.ts";

const podCount = 50;
const peerCount = 4_500;
const flowsWanted = 5_000;
const packetCount = 200_000;
const gatewayMac = parseMac("0e:00:00:00:00:01");

/** How many packets a second the switch in memory moves through our pipeline on one core: established connections and new ones. */
export const bench: Bench = {
  goals: { packets_per_s: { atLeast: 100_000 }, uncached_packets_per_s: { atLeast: 20_000 } },
  run({ print }) {
    const withCache = measure(true, packetCount);
    print(`${withCache.flows} flows; with the cache ${Math.round(withCache.perSecond)} packets/s`);
    const without = measure(false, packetCount / 5);
    print(`without ${Math.round(without.perSecond)} packets/s`);
    return Promise.resolve({
      flows: withCache.flows,
      packets_per_s: withCache.perSecond,
      uncached_packets_per_s: without.perSecond,
      us_per_packet: 1e6 / withCache.perSecond,
      uncached_us_per_packet: 1e6 / without.perSecond,
    });
  },
};

const addressOf = (number: number): string => `10.10.0.${number + 2}`;
const macOf = (number: number): string => `0a:00:00:00:00:${(number + 2).toString(16).padStart(2, "0")}`;
const podOf = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number + 1,
  mac: parseMac(macOf(number)),
  addresses: [parseAddress(addressOf(number))],
  podNamespace: "shop",
  podName: `pod${number}`,
  containerId: `c${number}`,
});

function measure(cache: boolean, count: number): { readonly perSecond: number; readonly flows: number } {
  const memory = createMemorySwitch({
    clock: virtualClock(),
    random: seededRandom(1),
    ports: [
      ...Array.from({ length: podCount }, (_, index) => ({ number: index + 1 })),
      { number: 100 },
      { number: 200, tunnel: true as const },
    ],
    cache,
  });
  memory.apply(flows());
  const frames = conversations();
  const passes = Math.ceil(count / frames.length);
  // The first pass opens the connections.
  for (const { inPort, frame } of frames) memory.process({ inPort, frame });
  const start = process.cpuUsage();
  let delivered = 0;
  for (let pass = 0; pass < passes; pass++)
    for (const { inPort, frame } of frames) delivered += memory.process({ inPort, frame }).outputs.length;
  const { user, system } = process.cpuUsage(start);
  if (delivered !== passes * frames.length) throw new Error(`${passes * frames.length - delivered} packets did not arrive`);
  return { perSecond: (passes * frames.length) / ((user + system) / 1e6), flows: memory.dumpFlows().length };
}

function flows() {
  const pipeline = createPipeline();
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  const tunnel = { ofport: 200 };
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, { ofport: 100, mac: gatewayMac, addresses: [parseAddress("10.10.0.1")] }));
  ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  ledger.set(
    "node",
    compileRemoteNode(
      pipeline,
      { name: "b", podCIDRs: [parsePrefix("10.10.1.0/24")], transportAddresses: [parseAddress("172.16.0.2")] },
      tunnel,
    ),
  );
  const pods = Array.from({ length: podCount }, (_, index) => podOf(index));
  for (const pod of pods) {
    ledger.set(pod.interfaceName, compileLocalPort(pipeline, pod));
    compiler.setPort(pod);
  }
  const member = (name: string, address: string) => ({ pod: { namespace: "shop", name }, ips: [parseAddress(address)], ports: [] });
  const everyone = [
    ...pods.map((pod, index) => member(pod.podName, addressOf(index))),
    ...Array.from({ length: peerCount }, (_, index) => member(`far${index}`, `10.20.${index >> 8}.${index & 255}`)),
  ];
  compiler.setAppliedToGroup({ name: "all", uid: "all", members: everyone.slice(0, podCount) });
  compiler.setAddressGroup({ name: "peers", uid: "peers", members: everyone });
  for (let index = 0; index < 20; index++)
    compiler.setPolicy({
      name: `policy-${index}`,
      uid: `policy-${index}`,
      generation: 1,
      sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: `policy-${index}`, uid: `policy-${index}` },
      appliedToGroups: ["all"],
      rules: [
        {
          priority: -1,
          action: "Allow",
          enableLogging: false,
          appliedToGroups: [],
          l7Protocols: [],
          direction: "In",
          peer: { ...nothing, addressGroups: ["peers"] },
          services: [{ protocol: "TCP", port: 80 + index }],
        },
      ],
    });
  compiler.compile();
  const made = [...ledger.flows()].map(([, flow]) => ({ command: "add", flow }) as const);
  if (made.length < flowsWanted) throw new Error(`the pipeline has ${made.length} flows, fewer than ${flowsWanted}`);
  return made;
}

/** Every pod talks to four others: an opening and data of each connection, both ways. */
function conversations(): { readonly inPort: number; readonly frame: Uint8Array }[] {
  return Array.from({ length: podCount }, (_, from) => [1, 7, 13, 29].map((step) => ({ from, to: (from + step) % podCount }))).flatMap(
    (pairs) =>
      pairs.flatMap(({ from, to }) => {
        const segment = (options: {
          back: boolean;
          flags: readonly ("syn" | "ack")[];
          bytes: number;
          sequence: number;
          acknowledgment: number;
        }) => {
          const { back, flags, bytes, sequence, acknowledgment } = options;
          const [source, destination] = back ? [to, from] : [from, to];
          const ports = back
            ? { sourcePort: 80 + (from % 20), destinationPort: 30_000 + to }
            : { sourcePort: 30_000 + to, destinationPort: 80 + (from % 20) };
          return {
            inPort: source + 1,
            frame: encodeFrame({
              source: parseMac(macOf(source)),
              destination: parseMac(macOf(destination)),
              payload: {
                kind: "ipv4",
                source: parseAddress(addressOf(source)),
                destination: parseAddress(addressOf(destination)),
                ttl: 64,
                payload: { kind: "tcp", ...ports, sequence, acknowledgment, flags, window: 60_000, payload: new Uint8Array(bytes) },
              },
            }),
          };
        };
        return [
          segment({ back: false, flags: ["syn"], bytes: 0, sequence: 100, acknowledgment: 0 }),
          segment({ back: true, flags: ["syn", "ack"], bytes: 0, sequence: 500, acknowledgment: 101 }),
          segment({ back: false, flags: ["ack"], bytes: 100, sequence: 101, acknowledgment: 501 }),
          segment({ back: true, flags: ["ack"], bytes: 100, sequence: 501, acknowledgment: 201 }),
        ];
      }),
  );
}
