import assert from "node:assert/strict";
import { test } from "node:test";
import { nothing } from "#core/api/controlplane/index.ts";
import { type Family, parseAddress, parseMac } from "#lib/ip/index.ts";
import { createMemorySwitch } from "#lib/openflow/switch/index.ts";
import { encodeFrame, type SctpPacket } from "#lib/packet/index.ts";
import { seededRandom, virtualClock } from "#lib/runtime/index.ts";
import { compileGateway, compileLocalPort, compileSkeleton } from "../compile.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { createPolicyCompiler } from "../policy/index.ts";
import type { LocalPort } from "../rows.ts";
import { createPipeline } from "../tables.ts";
import { sctpSilenceSeconds } from "./compile.ts";

const pod = (podName: string, ofport: number): LocalPort => ({
  interfaceName: podName,
  ofport,
  mac: parseMac(`0a:00:00:00:00:0${ofport}`),
  addresses: [4, 6].map((family) => parseAddress(family === 4 ? `10.10.0.${ofport}` : `fd00:10::${ofport}`)),
  podNamespace: "shop",
  podName,
  containerId: podName,
});
const [client, server] = [pod("client", 5), pod("server", 6)];

/** A switch in memory where the server may begin nothing. */
function start() {
  const pipeline = createPipeline();
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  ledger.set("skeleton", compileSkeleton(pipeline));
  const addresses = [parseAddress("10.10.0.1"), parseAddress("fd00:10::1")];
  ledger.set("gateway", compileGateway(pipeline, { ofport: 100, mac: parseMac("0e:00:00:00:00:01"), addresses }));
  for (const port of [client, server]) {
    ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
    compiler.setPort(port);
  }
  compiler.setAppliedToGroup({
    name: "server",
    uid: "server",
    members: [{ pod: { namespace: "shop", name: "server" }, ips: [], ports: [] }],
  });
  compiler.setPolicy({
    name: "silent",
    uid: "silent",
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "silent", uid: "silent" },
    appliedToGroups: ["server"],
    rules: [
      {
        direction: "Out",
        peer: nothing,
        services: [],
        priority: 0,
        action: "Allow",
        enableLogging: false,
        appliedToGroups: [],
        l7Protocols: [],
      },
    ],
  });
  compiler.compile();
  const clock = virtualClock();
  const memory = createMemorySwitch({ clock, random: seededRandom(1), ports: [client, server].map(({ ofport }) => ({ number: ofport })) });
  memory.apply([...ledger.flows()].map(([, flow]) => ({ command: "add", flow })));
  return { clock, memory };
}

const payload = (sourcePort: number, destinationPort: number): SctpPacket => ({
  kind: "sctp",
  sourcePort,
  destinationPort,
  verificationTag: 1,
  chunks: [{ type: 1, flags: 0, value: new Uint8Array(16) }],
});

for (const family of [4, 6] as const satisfies readonly Family[])
  test(`IPv${family}: replies are known as long as the client speaks, and the server cannot keep them so`, () => {
    const { clock, memory } = start();
    const sent = (from: LocalPort, to: LocalPort, ports: SctpPacket): boolean => {
      const [source, destination] = [from, to].map(({ addresses }) => addresses.find((address) => address.family === family));
      assert.ok(source !== undefined && destination !== undefined);
      const packet =
        source.family === 4
          ? ({ kind: "ipv4", source, destination, ttl: 64, payload: ports } as const)
          : ({ kind: "ipv6", source, destination, hopLimit: 64, payload: ports } as const);
      const frame = encodeFrame({ source: from.mac, destination: to.mac, payload: packet });
      return memory.process({ inPort: from.ofport, frame }).outputs.length === 1;
    };
    const asks = (): boolean => sent(client, server, payload(7_000, 80));
    const answers = (): boolean => sent(server, client, payload(80, 7_000));
    const pass = (seconds: number): void => clock.advance(seconds * 1_000);
    assert.equal(answers(), false, "before it was asked");
    assert.deepEqual([asks(), answers()], [true, true]);
    assert.equal(sent(server, client, payload(81, 7_000)), false, "another port");
    pass(sctpSilenceSeconds - 1);
    assert.deepEqual([answers(), asks()], [true, true]);
    pass(sctpSilenceSeconds - 1);
    assert.equal(answers(), true, "the client spoke since");
    pass(2);
    assert.equal(answers(), false, "nothing but answers since");
  });
