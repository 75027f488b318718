import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Direction, nothing } from "#core/api/controlplane/index.ts";
import { type IpAddress, parseAddress, parseMac } from "#lib/ip/index.ts";
import { createMemorySwitch } from "#lib/openflow/switch/index.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import { seededRandom, virtualClock } from "#lib/runtime/index.ts";
import { compileGateway, compileLocalPort, compileSkeleton } from "../compile.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import { createPipeline } from "../tables.ts";
import { startTracedSwitch, type TracedSwitch } from "../testing/traced-switch.ts";
import { createPolicyCompiler, encodingLimits } from "./index.ts";

/** As many rounds as there may be in both directions at once, with few sets each: what is tested is how deep the switch goes. */
const limits = { ...encodingLimits, setsPerPage: 4, inlineAtOnce: 0 };
const sets = limits.setsPerPage * limits.rounds;
const tierSets = limits.setsPerPage * limits.tierRounds;

const pipeline = createPipeline();
const pod = (name: string, ofport: number): LocalPort => ({
  interfaceName: name,
  ofport,
  mac: parseMac(`0a:00:00:00:00:0${ofport}`),
  addresses: [parseAddress(`10.10.0.${ofport}`)],
  podNamespace: "shop",
  podName: name,
  containerId: name,
});
const [client, server] = [pod("client", 5), pod("server", 6)];
const addressOf = ({ addresses }: LocalPort): IpAddress => addresses[0] ?? parseAddress("0.0.0.0");

const ledger = createFlowLedger();
const compiler = createPolicyCompiler({ pipeline, ledger, limits });
ledger.set("skeleton", compileSkeleton(pipeline));
ledger.set(
  "gateway",
  compileGateway(pipeline, { ofport: 100, mac: parseMac("0e:00:00:00:00:01"), addresses: [parseAddress("10.10.0.1")] }),
);
for (const port of [client, server]) {
  ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
  compiler.setPort(port);
  compiler.setAppliedToGroup({
    name: port.podName,
    uid: port.podName,
    members: [{ pod: { namespace: "shop", name: port.podName }, ips: [], ports: [] }],
  });
}
interface Allowing {
  readonly subject: LocalPort;
  readonly peer: LocalPort;
  readonly direction: Direction;
  readonly kind: "K8sNetworkPolicy" | "AntreaClusterNetworkPolicy";
  readonly first: number;
  readonly count: number;
}

/** Set n of a pod allows port `first` + n: set 0 to nobody of the two, every other one to the peer. */
function allow({ subject, peer, direction, kind, first, count }: Allowing): void {
  for (let set = 0; set < count; set++) {
    const name = `${subject.podName}-${first + set}`;
    const ips = [parseAddress(`10.20.${first / 1_000}.${set}`), ...(set === 0 ? [] : [addressOf(peer)])];
    compiler.setAddressGroup({ name, uid: name, members: ips.map((ip) => ({ node: String(ip), ips: [ip], ports: [] })) });
    compiler.setPolicy({
      name,
      uid: name,
      generation: 1,
      sourceRef: { type: kind, name, uid: name },
      appliedToGroups: [subject.podName],
      ...(kind === "K8sNetworkPolicy" ? {} : { tierPriority: 250, priority: set }),
      rules: [
        {
          direction,
          peer: { ...nothing, addressGroups: [name] },
          services: [{ protocol: "TCP", port: first + set }],
          priority: 0,
          action: "Allow",
          enableLogging: false,
          appliedToGroups: [],
          l7Protocols: [],
        },
      ],
    });
  }
}
for (const ends of [
  { subject: client, peer: server, direction: "Out" },
  { subject: server, peer: client, direction: "In" },
] as const) {
  allow({ ...ends, kind: "K8sNetworkPolicy", first: 1_000, count: sets });
  allow({ ...ends, kind: "AntreaClusterNetworkPolicy", first: 3_000, count: tierSets });
}
compiler.compile();

const verdicts = [
  [1_000, "drop"],
  [1_001, "allow"],
  [1_000 + sets / 2, "allow"],
  [1_000 + sets - 1, "allow"],
  [1_000 + sets, "drop"],
  [3_000, "drop"],
  [3_001, "allow"],
  [3_000 + tierSets - 1, "allow"],
  [3_000 + tierSets, "drop"],
] as const;

test("a pod with so many sets has all the rounds there are", () => {
  const { In, Out } = compiler.figures();
  assert.deepEqual([In.rounds, Out.rounds, compiler.problems()], [limits.rounds, limits.rounds, []]);
});

test("every round's rules admit on the switch in memory", () => {
  const memory = createMemorySwitch({
    clock: virtualClock(),
    random: seededRandom(1),
    ports: [client, server].map(({ ofport }) => ({ number: ofport })),
  });
  memory.apply([...ledger.flows()].map(([, flow]) => ({ command: "add", flow })));
  for (const [destinationPort, verdict] of verdicts) {
    const packet = {
      inPort: client.ofport,
      frame: encodeFrame({
        source: client.mac,
        destination: server.mac,
        payload: {
          kind: "ipv4",
          source: addressOf(client),
          destination: addressOf(server),
          ttl: 64,
          payload: {
            kind: "tcp",
            sourcePort: 40_000,
            destinationPort,
            sequence: 1,
            acknowledgment: 0,
            flags: ["syn"],
            window: 1_000,
            payload: new Uint8Array(),
          },
        },
      }),
    };
    const { outputs, trace } = memory.process(packet, { trace: true });
    assert.equal(outputs.length === 1 ? "allow" : "drop", verdict, `${destinationPort}\n${trace}`);
  }
});

let ovs: TracedSwitch;
before(async () => {
  ovs = await startTracedSwitch({ ports: [client.ofport, server.ofport, 100] });
});
after(() => ovs?.stop());

test("every round's rules admit on Open vSwitch, in both directions at once", async () => {
  await ovs.program(ledger);
  for (const [port, verdict] of verdicts) {
    const ends = `in_port=${client.ofport},dl_src=${client.mac},dl_dst=${server.mac},nw_src=${addressOf(client)},nw_dst=${addressOf(server)}`;
    const trace = await ovs.trace(`tcp,${ends},nw_ttl=64,tcp_src=40000,tcp_dst=${port}`);
    assert.equal(trace.port === undefined ? "drop" : "allow", verdict, `${port}\n${trace.text}`);
  }
});
