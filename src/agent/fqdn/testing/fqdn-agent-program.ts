import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createNetlink } from "#lib/netlink/index.ts";
import { connectOvsdb, openVSwitch } from "#lib/ovsdb/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { followedColumns } from "../../ovs/bridge.ts";
import { createListenerPort } from "../index.ts";
import { startFqdnAgent } from "./fqdn-agent.ts";

// The agent of the packet test as a process of its own, in the namespace of the switch: `DIRECTORY NAMES OPEN SUBJECTS PORT…`, a port as
// `NAME,OFPORT,MAC,ADDRESS,ADDRESS`; the first is the gateway. Says `ready` when rules are in force and the switch sees its device.
const [directory = "", names = "", open = "", subjects = "", ...texts] = process.argv.slice(2);
const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };
const ports = texts.map((text) => {
  const [name = "", ofport = "", mac = "", ...addresses] = text.split(",");
  return { name, ofport: Number(ofport), mac: parseMac(mac), addresses: addresses.map(parseAddress) };
});
const [gateway, ...pods] = ports;
if (gateway === undefined) throw new Error("no gateway was named");
const management = (bridge: string): string => join(directory, `${bridge}.mgmt`);
const { signal } = new AbortController();

const database = await connectOvsdb({ runtime, path: join(directory, "db.sock"), database: openVSwitch, signal });
const replica = database.monitor(followedColumns);
await replica.whenSynced();
const listener = await createListenerPort({ runtime, home: createNetlink({ runtime }).home, tables: replica.tables });
const node = {
  ovs: {
    directory,
    management,
    ofctl: async (command: string, bridge: string, ...args: string[]) =>
      (await run("ovs-ofctl", ["-O", "OpenFlow15", command, management(bridge), ...args])).stdout,
  },
  gateway,
  pods: pods.map(({ name, ...port }) => ({
    port: { ...port, interfaceName: name, podNamespace: "shop", podName: name, containerId: name },
  })),
};
await startFqdnAgent({
  node,
  listener,
  subjects: subjects.split(","),
  open: open.split(","),
  names: names.split(","),
  holdFor: amplePatience,
  lapseSeconds: 600,
});
await replica.until(() => listener?.ofport(), signal);
process.stdout.write("ready\n");
