import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectOvsdb, type OpenVSwitch, type OvsdbClient, openVSwitch } from "#lib/ovsdb/index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createPrivateNode, type PrivateNode } from "../testing/private-node.ts";
import {
  bridgeOperations,
  followedColumns,
  gatewayMac,
  gatewayOfport,
  tunnelOfport,
  type OvsReplica,
  type WantedBridge,
} from "./bridge.ts";
import { followLocalPorts } from "./local-ports.ts";
import { createPortClaims } from "./port-claims.ts";
import { endRestoreWait, setUpBridge } from "./set-up.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const deadline = (): AbortSignal => AbortSignal.timeout(amplePatience);
let node: PrivateNode;
let client: OvsdbClient<OpenVSwitch>;
let replica: OvsReplica;

const wanted = (change: Partial<WantedBridge> = {}): WantedBridge => ({
  name: "br-int",
  datapathType: "netdev",
  ports: [
    { name: "antrea-tun0", kind: "tunnel", type: "geneve", ofport: tunnelOfport, options: { remote_ip: "flow", key: "flow" } },
    { name: "antrea-gw0", kind: "gateway", type: "internal", ofport: gatewayOfport, mac: gatewayMac("node-a"), options: {} },
  ],
  flowTables: new Map([
    [0, { name: "Root", prefixes: [] }],
    [1, { name: "EgressPrefixes", prefixes: ["nw_dst", "ipv6_dst"] }],
  ]),
  ...change,
});

before(async () => {
  node = await createPrivateNode("agent-bridge");
  client = await connectOvsdb({ runtime, path: node.database, database: openVSwitch, signal: deadline() });
  replica = client.monitor(followedColumns);
});
after(async () => {
  client?.close();
  await node?.remove();
});

test("the bridge is made, with its ports at the numbers that tools know, and made once", async () => {
  const ports = await setUpBridge({ client, replica, wanted: wanted(), signal: deadline() });
  assert.deepEqual(Object.fromEntries(ports), { "antrea-tun0": tunnelOfport, "antrea-gw0": gatewayOfport });
  assert.equal(await node.vsctl("get", "Bridge", "br-int", "fail_mode"), "secure");
  assert.equal(await node.vsctl("get", "Port", "antrea-gw0", "external_ids:antrea-type"), "gateway");
  assert.match(await node.exec("ip", "link", "show", "antrea-gw0"), new RegExp(`link/ether ${gatewayMac("node-a")}`));
  assert.match(await node.vsctl("get", "Flow_Table", "EgressPrefixes", "prefixes"), /ipv6_dst, nw_dst/);
  assert.deepEqual(bridgeOperations(replica.tables, wanted()), []);
});

test("what was changed behind our back is repaired, and what others added stays", async () => {
  await node.vsctl(
    "--no-wait",
    "clear",
    "Bridge",
    "br-int",
    "fail_mode",
    "--",
    "set",
    "Interface",
    "antrea-tun0",
    "options:remote_ip=192.0.2.1",
  );
  await node.vsctl("--no-wait", "add-port", "br-int", "other", "--", "set", "Interface", "other", "type=internal");
  await replica.until(({ Interface }) => Interface.by("name", "other")[0], deadline());
  await setUpBridge({
    client,
    replica,
    wanted: wanted({ flowTables: new Map([[1, { name: "Renamed", prefixes: ["nw_src"] }]]) }),
    signal: deadline(),
  });
  assert.equal(await node.vsctl("get", "Bridge", "br-int", "fail_mode"), "secure");
  assert.equal(await node.vsctl("get", "Interface", "antrea-tun0", "options:remote_ip"), "flow");
  assert.deepEqual((await node.vsctl("list-ports", "br-int")).split("\n"), ["antrea-gw0", "antrea-tun0", "other"]);
  assert.equal(await node.vsctl("get", "Flow_Table", "Renamed", "prefixes"), "[nw_src]");
});

test("pods' ports become rows with their identity, unreadable ones do not hurt the others", async () => {
  const table = followLocalPorts({ replica, bridge: "br-int", claims: createPortClaims(replica), logger: silentLogger });
  await table.whenSynced();
  assert.equal(table.size, 0);
  const ids = [
    "attached-mac=aa:00:00:00:00:01",
    'ip-address="10.0.0.5,fd00::5"',
    "container-id=c1",
    "pod-name=web",
    "pod-namespace=shop",
    "net-ns=/n",
    "antrea-type=container",
  ];
  const add = (name: string, ...external: string[]) =>
    node.vsctl(
      "add-port",
      "br-int",
      name,
      "--",
      "set",
      "Interface",
      name,
      "type=internal",
      "--",
      "set",
      "Port",
      name,
      ...external.map((id) => `external_ids:${id}`),
    );
  await add("bad-1", ...ids.map((id) => (id.startsWith("attached") ? "attached-mac=nonsense" : id)));
  await add("web-1", ...ids);
  await replica.until(() => table.get("web-1"), deadline());
  const row = table.get("web-1");
  assert.equal(row?.ofport, replica.tables.Interface.by("name", "web-1")[0]?.ofport);
  assert.deepEqual(row?.addresses.map(String), ["10.0.0.5", "fd00::5"]);
  assert.deepEqual(table.by("pod", "shop/web"), [row]);
  assert.equal(table.get("bad-1"), undefined);
  await node.vsctl("del-port", "web-1", "--", "del-port", "bad-1");
  await replica.until(() => (table.size === 0 ? true : undefined), deadline());
});

test("the wait for restored flows ends on demand, once", async () => {
  await node.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true", "other_config:vlan-limit=0");
  await replica.until(({ Open_vSwitch }) => [...Open_vSwitch.rows()].find(({ other_config }) => other_config.size === 2), deadline());
  assert.equal(await endRestoreWait(client, replica), true);
  assert.equal(await node.vsctl("get", "Open_vSwitch", ".", "other_config"), '{vlan-limit="0"}');
  await replica.until(({ Open_vSwitch }) => [...Open_vSwitch.rows()].find(({ other_config }) => other_config.size === 1), deadline());
  assert.equal(await endRestoreWait(client, replica), false);
});

test("a port that Open vSwitch cannot make fails with its reason", async () => {
  const twice = wanted().ports.map((port) => (port.kind === "tunnel" ? { ...port, name: "second-tunnel", ofport: 9 } : port));
  const broken = wanted({ ports: twice });
  await assert.rejects(setUpBridge({ client, replica, wanted: broken, signal: deadline() }), {
    code: "OVS_PORT_REFUSED",
    message: /second-tunnel/,
  });
});

test("a datapath that is not there is told as such, with the way out", { skip: testDatapath === "system" && "it is there" }, async () => {
  const broken = wanted({
    name: "br-kernel",
    datapathType: "system",
    ports: wanted().ports.map((port) => ({ ...port, name: `${port.name}-k` })),
  });
  await assert.rejects(setUpBridge({ client, replica, wanted: broken, signal: deadline() }), {
    code: "OVS_BRIDGE_REFUSED",
    message: /br-kernel.*ovsDatapathType system.*modprobe openvswitch.*netdev/,
  });
});
