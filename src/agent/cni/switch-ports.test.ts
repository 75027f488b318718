import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createPipeline } from "#core/pipeline/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createNetlink, type NetworkNamespace } from "#lib/netlink/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { appctl, connectOvsdb, controlSocket, type OpenVSwitch, type OvsdbClient, openVSwitch } from "#lib/ovsdb/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { followedColumns, type OvsReplica } from "../ovs/bridge.ts";
import { followPortArrivals } from "../ovs/port-arrivals.ts";
import { createPortClaims, podOfports } from "../ovs/port-claims.ts";
import { createPrivateNode, type PrivateNode } from "../testing/private-node.ts";
import { connectionPurge } from "./connections.ts";
import { createPair, configurePodEnd } from "./pod-interface.ts";
import { createSwitchPorts, type NewPodPort, type SwitchPorts } from "./switch-ports.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const deadline = (): AbortSignal => AbortSignal.timeout(amplePatience);

/** Real Open vSwitch (netdev), real wires, one flow NORMAL. */
describe("pods' ports in Open vSwitch", () => {
  const netlink = createNetlink({ runtime });
  const ended = new AbortController();
  const pods: NetworkNamespace[] = [];
  let node: PrivateNode;
  let home: NetworkNamespace;
  let client: OvsdbClient<OpenVSwitch>;
  let replica: OvsReplica;
  let ports: SwitchPorts;

  const identity = (index: number): NewPodPort => ({
    interfaceName: `pod-${index}`,
    containerId: `c${index}`,
    podInterface: "eth0",
    podName: `pod-${index}`,
    podNamespace: "shop",
    netns: `/run/netns/pod-${index}`,
    mac: parseMac(`0a:58:0a:05:00:0${index}`),
    addresses: [parseAddress(`10.5.0.${index}`), parseAddress(`fd05::${index}`)],
  });
  const add = (port: NewPodPort): Promise<number> => ports.add({ ...port, ofport: ports.claim(port).ofport }, deadline());
  const connectPod = async (index: number): Promise<NetworkNamespace> => {
    const pod = await netlink.create();
    pods.push(pod);
    const port = identity(index);
    const blocks = [parsePrefix("10.5.0.0/24"), parsePrefix("fd05::/64")];
    const allocations = port.addresses.map((address, at) => ({
      address,
      prefixLength: [24, 64][at] ?? 0,
      gateway: (blocks[at] ?? blocks[0])?.address.plus(9n) ?? address,
    }));
    const wire = { hostName: port.interfaceName, podInterface: "eth0", mac: port.mac, mtu: 1400, allocations, txChecksumOffload: false };
    const { inside: end } = await createPair({ ...netlink, home }, pod, wire);
    await Promise.all([configurePodEnd(pod, wire, end), add(port)]);
    return pod;
  };
  const inside = (pod: NetworkNamespace, ...command: string[]): Promise<string> =>
    node.exec("nsenter", `--net=/proc/${process.pid}/fd/${pod.fd}`, ...command);

  before(async () => {
    node = await createPrivateNode("cni-ports");
    home = await netlink.open(`/run/netns/${node.namespace}`);
    await node.vsctl(
      "add-br",
      "br-int",
      "--",
      "set",
      "Bridge",
      "br-int",
      "datapath_type=netdev",
      "fail_mode=secure",
      "protocols=OpenFlow10,OpenFlow15",
    );
    client = await connectOvsdb({ runtime, path: node.database, database: openVSwitch, signal: ended.signal });
    replica = client.monitor(followedColumns);
    const path = join(node.ovsRunDir, "br-int.mgmt");
    const arrivals = followPortArrivals({ runtime, connect: (signal) => connectOpenFlow({ runtime, path, signal }), signal: ended.signal });
    await replica.whenSynced();
    ports = createSwitchPorts({ client, replica, claims: createPortClaims(replica), arrivals, bridge: "br-int" });
  });
  after(async () => {
    ended.abort();
    await client?.close();
    await netlink.close();
    await node?.remove();
  });

  it("are numbered, carry the identity, and carry packets of both families", async () => {
    assert.deepEqual(ports.all(), []);
    const [first] = await Promise.all([connectPod(1), connectPod(2)]);
    // A port is known to be there by OpenFlow, its number also by the database, which may come after.
    await replica.until(() => (ports.all().every(({ ofport }) => ofport !== undefined) ? true : undefined), deadline());
    const rows = [...ports.all()].sort((a, b) => a.interfaceName.localeCompare(b.interfaceName));
    assert.deepEqual(
      rows.map(({ ofport, ...row }) => ({ ...row, addresses: row.addresses.map(String) })),
      [1, 2].map((index) => ({ ...identity(index), mac: String(identity(index).mac), addresses: identity(index).addresses.map(String) })),
    );
    assert.deepEqual(rows.map(({ ofport }) => ofport).sort(), [podOfports.first, podOfports.first + 1]);
    await node.exec("ovs-ofctl", "add-flow", "br-int", "actions=NORMAL");
    await inside(first, "busybox", "ping", "-c1", "-W2", "10.5.0.2");
    await inside(first, "busybox", "ping", "-c1", "-W2", "fd05::2");
  });

  it("are out of the node's own stack, which has a copy of their frames", async () => {
    const [first] = pods;
    assert.ok(first);
    await node.exec("ip", "-n", node.namespace, "link", "set", "lo", "up");
    await node.exec("ip", "-n", node.namespace, "address", "add", "10.5.0.77/32", "dev", "lo");
    await assert.rejects(
      inside(first, "busybox", "arping", "-c1", "-w1", "-I", "eth0", "10.5.0.77"),
      "it answers for an address of the node",
    );
    const wire = (await node.exec("ip", "netns", "exec", node.namespace, "cat", "/sys/class/net/pod-1/address")).trim();
    // As a pod could that knows or guesses the wire's address.
    await node.exec(
      "nsenter",
      `--net=/proc/${process.pid}/fd/${first.fd}`,
      "ip",
      "neigh",
      "replace",
      "10.5.0.77",
      "lladdr",
      wire,
      "dev",
      "eth0",
    );
    await assert.rejects(inside(first, "busybox", "ping", "-c1", "-W1", "10.5.0.77"), "it takes what is sent to the wire");
  });

  it("lose their tracked connections when the pod goes, in every zone, and no others", async () => {
    const [first] = pods;
    assert.ok(first);
    for (const [match, zone] of [
      ["udp", 7],
      ["udp6", 8],
      ["icmp6,icmp_type=128", 9],
    ] as const) {
      await node.exec("ovs-ofctl", "add-flow", "br-int", `priority=40000,${match},actions=ct(commit,zone=${zone}),NORMAL`);
    }
    const path = await controlSocket(node.ovsRunDir);
    const zones = async (): Promise<string> => {
      const entries = await appctl({ runtime, path, command: "dpctl/dump-conntrack" });
      return [...new Set(entries.match(/zone=\d+/g))].sort().join();
    };
    const purge = connectionPurge({
      clock: runtime.clock,
      pipeline: createPipeline(),
      whenGone: () => Promise.resolve(),
      connect: (signal) => connectOpenFlow({ runtime, path: join(node.ovsRunDir, "br-int.mgmt"), signal }),
    });
    const send = async (): Promise<void> => {
      await inside(first, "busybox", "ping", "-c1", "-W2", "fd05::2");
      // Nobody listens; the connection is tracked all the same.
      for (const address of ["10.5.0.2", "fd05::2"]) await inside(first, "bash", "-c", `echo x > /dev/udp/${address}/9`);
    };
    // Until the flow cache has heard of the new flows, packets still pass untracked.
    while ((await zones()) !== "zone=7,zone=8,zone=9") await send();
    await purge([parseAddress("10.5.0.3"), parseAddress("fd05::3")]);
    assert.equal(await zones(), "zone=7,zone=8,zone=9");
    await purge([parseAddress("10.5.0.2")]);
    assert.equal(await zones(), "zone=8,zone=9");
    await purge([parseAddress("fd05::1")]);
    assert.equal(await zones(), "zone=9", "tracked echoes stay, and vswitchd lives");
  });

  it("are forgotten whole, and may be removed twice", async () => {
    assert.equal(await ports.remove("pod-2"), true);
    await replica.until(({ Interface }) => (Interface.by("name", "pod-2").length === 0 ? true : undefined), deadline());
    assert.equal(await ports.remove("pod-2"), false);
    assert.deepEqual(
      ports.all().map(({ interfaceName }) => interfaceName),
      ["pod-1"],
    );
  });

  it("keep the number they asked for when Open vSwitch starts anew", async () => {
    await node.killSwitch();
    await node.vsctl("--no-wait", "clear", "Interface", "pod-1", "ofport");
    await node.startSwitch();
    const [row] = await replica.until(({ Interface }) => {
      const found = Interface.by("name", "pod-1");
      return found[0]?.ofport === undefined ? undefined : found;
    }, deadline());
    assert.ok([podOfports.first, podOfports.first + 1].includes(row?.ofport ?? 0), `has ${row?.ofport}`);
  });

  it("that get another number than they asked for say so", async () => {
    await home.createVeth({ name: "pod-4" }, { name: "pod-4-peer", namespace: home });
    const taken = replica.tables.Interface.by("name", "pod-1")[0]?.ofport ?? 0;
    const given = await ports.add({ ...identity(4), ofport: taken }, deadline());
    assert.notEqual(given, taken);
    assert.equal(await node.vsctl("get", "Interface", "pod-4", "ofport"), String(given));
    await ports.remove("pod-4");
  });

  it("that Open vSwitch cannot open are refused with its reason", async () => {
    await assert.rejects(add(identity(3)), {
      code: "OVS_PORT_REFUSED",
      message: /pod-3: could not open network device pod-3/,
    });
    assert.equal(ports.all().find(({ interfaceName }) => interfaceName === "pod-3")?.ofport, undefined);
    await ports.remove("pod-3");
  });
});
