import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import type { LocalPort } from "#core/pipeline/rows.ts";
import type { CniReply } from "#lib/cni/index.ts";
import { type IpAddress, parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createNetlink, type NetworkNamespace } from "#lib/netlink/index.ts";
import { milliseconds, silentLogger, sleep, systemClock, systemRuntime } from "#lib/runtime/index.ts";
import { type CniServerOptions, startCniServer } from "./index.ts";
import { memoryPorts } from "./testing/memory-ports.ts";
import { ask, cniRequest } from "./testing/request.ts";

const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };
const code = (reply: CniReply): string => ("error" in reply ? `${reply.error.code} ${reply.error.msg}` : "done");

/** Real namespaces and wires; the switch's ports are in memory. */
describe("CNI commands", () => {
  const netlink = createNetlink({ runtime });
  let directory: string;
  let socketPath: string;
  let node: NetworkNamespace;
  let pod: NetworkNamespace & { readonly path: string };
  let ports: ReturnType<typeof memoryPorts>;
  let server: { close(): Promise<void> };
  let policy: (pod: LocalPort, signal: AbortSignal) => Promise<void>;
  let purged: string[];
  const podsMade: string[] = [];

  const createPod = async (): Promise<typeof pod> => {
    const path = `/run/netns/cni-test-${process.pid}-${podsMade.length}`;
    podsMade.push(path);
    return { ...(await netlink.create({ path })), path };
  };
  const start = async (change: Partial<CniServerOptions> = {}): Promise<void> => {
    server = await startCniServer({
      runtime,
      netlink: { ...netlink, home: node },
      ports,
      socketPath,
      quarantinePath: `${socketPath}.quarantine`,
      podNetwork: async () => ({ podCIDRs: [parsePrefix("10.5.0.0/24"), parsePrefix("fd05::/64")], mtu: 1400 }),
      podReady: (row, signal) => policy(row, signal),
      knowsPod: ({ name }) => name !== "unheard-of",
      purgeConnections: async (addresses: readonly IpAddress[]) => void purged.push(...addresses.map(String)),
      chained: false,
      podRouted: () => Promise.resolve(),
      txChecksumOffload: false,
      pathPrefix: "",
      readiness: { timeout: milliseconds(300), onTimeout: "fail" },
      ...change,
    });
  };
  const add = (change: Parameters<typeof cniRequest>[1] = {}): Promise<CniReply> =>
    ask(socketPath, cniRequest("ADD", { netns: pod.path, ...change }));
  const nodeLinks = async (): Promise<string[]> => (await node.links()).map(({ name }) => name).filter((name) => name !== "lo");
  const untouched = async (): Promise<void> => {
    assert.deepEqual(
      [ports.all(), [...ports.claimed], await nodeLinks(), (await pod.links()).map(({ name }) => name)],
      [[], [], [], ["lo"]],
    );
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "cni-commands-"));
  });
  beforeEach(async () => {
    socketPath = join(directory, `${podsMade.length}.sock`);
    await server?.close();
    [node, pod] = await Promise.all([netlink.create(), createPod()]);
    ports = memoryPorts();
    purged = [];
    policy = async () => {};
    await start();
  });
  after(async () => {
    await server.close();
    for (const path of podsMade) await netlink.remove(path);
    await netlink.close();
    await rm(directory, { recursive: true });
  });

  it("ADD connects a pod with both families, and the pod can use it at once", async () => {
    let asked: LocalPort | undefined;
    policy = async (row) => {
      asked = row;
    };
    const reply = await add();
    assert.ok("result" in reply, code(reply));
    const [port] = ports.all();
    assert.ok(port);
    assert.match(port.interfaceName, /^web-0-[0-9a-f]{6}$/);
    const mac = "0a:58:0a:05:00:02";
    assert.deepEqual(reply.result, {
      cniVersion: "1.0.0",
      interfaces: [
        { name: port.interfaceName, mac: String((await node.link({ name: port.interfaceName })).mac) },
        { name: "eth0", mac, sandbox: pod.path },
      ],
      ips: [
        { interface: 1, address: "10.5.0.2/24", gateway: "10.5.0.1" },
        { interface: 1, address: "fd05::2/64", gateway: "fd05::1" },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.5.0.1" },
        { dst: "::/0", gw: "fd05::1" },
      ],
      dns: {},
    });
    assert.deepEqual(
      [asked?.podName, asked?.ofport, asked?.addresses.join(), String(asked?.mac)],
      ["web-0", port.ofport, "10.5.0.2,fd05::2", mac],
    );
    const eth0 = await pod.link({ name: "eth0" });
    assert.deepEqual([eth0.up, eth0.mtu, await pod.getOffload("eth0", "txChecksum")], [true, 1400, false]);
    const addresses = await pod.addresses({ linkIndex: eth0.index });
    assert.deepEqual(
      addresses.filter(({ tentative, scope }) => tentative && scope === "universe"),
      [],
      "no address waits for duplicate detection",
    );
    const { stdout } = await run("ip", ["netns", "exec", pod.path.slice("/run/netns/".length), "ip", "-6", "route", "get", "2001:db8::1"]);
    assert.match(stdout, /via fd05::1 dev eth0 .*src fd05::2/);
  });

  it("ADD brings IPv6 up where the runtime switched it off", async () => {
    await pod.writeSysctl("net/ipv6/conf/default/disable_ipv6", "1");
    assert.equal(code(await add()), "done");
    const { index: linkIndex } = await pod.link({ name: "eth0" });
    const addresses = await pod.addresses({ linkIndex, family: 6 });
    assert.ok(addresses.some(({ address }) => String(address) === "fd05::2"));
    assert.ok(
      (await pod.routes({ family: 6 })).some(({ destination, gateway }) => destination.length === 0 && String(gateway) === "fd05::1"),
    );
  });

  it("ADD again for the same container gives the same result and makes nothing", async () => {
    const first = await add();
    const second = await add();
    assert.deepEqual(second, first);
    assert.equal((await nodeLinks()).length, 1);
    await pod.setLink({ name: "eth0" }, { up: false });
    const third = await add();
    assert.equal(code(third), "done", "a broken interface is made anew");
    assert.notDeepEqual(third, first);
    assert.equal((await nodeLinks()).length, 1);
  });

  it("a failed ADD leaves nothing behind: switch, policies, a name that is taken in the pod", async () => {
    ports.refuse = true;
    // Policies that stand still do not hold up what is known already.
    policy = (_row, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    assert.match(
      code(await add()),
      /^102 interface web-0-\w+ cannot be made: bridge br-int: port web-0-\w+: could not open network device$/,
    );
    await untouched();
    ports.refuse = false;
    assert.equal(code(await add()), "11 pod shop/web-0: its policies were not enforced within 0.3 s");
    await untouched();
    const unknown = await add({ args: "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=unheard-of" });
    assert.equal(
      code(unknown),
      "11 pod shop/unheard-of: the Kubernetes API did not tell of it within 0.3 s, so its policies are not known",
    );
    await untouched();
    policy = async () => {
      throw new Error("the bundle was refused");
    };
    assert.equal(code(await add()), "0 the bundle was refused");
    await untouched();
    await pod.createVeth({ name: "eth0" }, { name: "other" });
    assert.match(code(await add()), /^102 .*EEXIST/);
    assert.deepEqual([ports.all(), await nodeLinks()], [[], []]);
  });

  it("flows are made for the number that the port asks for, and once more for another one that it gets", async () => {
    const asked: number[] = [];
    policy = async ({ ofport }) => void asked.push(ofport);
    await add();
    const [port] = ports.all();
    assert.deepEqual(asked, [port?.ofport]);
    ports.renumber = true;
    await add({ containerId: "c2", netns: (await createPod()).path });
    const second = ports.all().find(({ containerId }) => containerId === "c2");
    assert.deepEqual(asked.slice(1), [(second?.ofport ?? 0) - 1_000, second?.ofport]);
  });

  it("the setting decides whether a pod starts before its policies are enforced", async () => {
    await server.close();
    await start({ readiness: { timeout: milliseconds(20), onTimeout: "admit" } });
    policy = () => new Promise(() => {});
    assert.equal(code(await add()), "done");
  });

  it("DEL removes everything, succeeds again, and keeps the address back", async () => {
    await add();
    const remove = (): Promise<CniReply> => ask(socketPath, cniRequest("DEL", { netns: "" }));
    assert.deepEqual(await remove(), { result: {} });
    await untouched();
    assert.deepEqual(purged, ["10.5.0.2", "fd05::2"]);
    assert.deepEqual(await remove(), { result: {} });
    assert.deepEqual(await ask(socketPath, cniRequest("DEL", { containerId: "unknown" })), { result: {} });
    // A new agent, which knows of the address from the record alone.
    await server.close();
    await start();
    const again = await add();
    assert.match(JSON.stringify(again), /"10\.5\.0\.3\/24"/);
    ports.available = false;
    assert.match(code(await remove()), /^11 /);
    ports.available = true;
  });

  it("DEL lets a pod go when the disk takes no record of it; its address is kept back all the same", async () => {
    await add();
    // As good as a full disk: the record cannot be written.
    await mkdir(`${socketPath}.quarantine.new`);
    assert.equal(code(await ask(socketPath, cniRequest("DEL", { netns: "" }))), "done");
    await untouched();
    assert.match(JSON.stringify(await add()), /"10\.5\.0\.3\/24"/);
  });

  it("CHECK finds what is wrong", async () => {
    const made = await add();
    assert.ok("result" in made);
    const check = async (prevResult: unknown = made.result): Promise<string> =>
      code(await ask(socketPath, cniRequest("CHECK", { netns: pod.path, config: { prevResult } })));
    assert.equal(await check(), "done");
    assert.match(await check({ interfaces: [], ips: [] }), /^103 prevResult\.ips has no address, port web-0-\w+ 10\.5\.0\.2, fd05::2$/);
    await pod.deleteRoute({ destination: parsePrefix("0.0.0.0/0") });
    assert.equal(await check(), "103 the pod lacks an IPv4 default route through eth0");
    await pod.setLink({ name: "eth0" }, { up: false });
    assert.equal(await check(), "103 interface eth0 is down in the pod");
    await pod.deleteLink({ name: "eth0" });
    assert.match(await check(), /^103 interface web-0-\w+ is missing on the node$/);
    assert.match(await check(null), /^7 network configuration: prevResult is no object$/);
    const old = await ask(socketPath, cniRequest("CHECK", { netns: pod.path, config: { cniVersion: "0.3.1" } }));
    assert.match(code(old), /^1 CHECK exists since CNI 0\.4\.0, the configuration is of 0\.3\.1$/);
  });

  it("GC removes what the runtime no longer knows; STATUS says whether ADD could work", async () => {
    await add();
    const config = { cniVersion: "1.1.0", "cni.dev/valid-attachments": [{ containerID: "c1", ifname: "eth0" }] };
    await ask(socketPath, cniRequest("GC", { config }));
    assert.equal(ports.all().length, 1);
    assert.equal(code(await ask(socketPath, cniRequest("GC", { config: { ...config, "cni.dev/valid-attachments": [] } }))), "done");
    await untouched();
    const status = (): Promise<CniReply> => ask(socketPath, cniRequest("STATUS", { config: { cniVersion: "1.1.0" } }));
    assert.equal(code(await status()), "done");
    ports.available = false;
    assert.match(code(await status()), /^50 /);
  });

  it("wrong requests are refused by name", async () => {
    assert.match(code(await add({ args: "K8S_POD_NAME=web" })), /^4 CNI_ARGS lacks K8S_POD_NAMESPACE/);
    assert.match(
      code(await add({ netns: "/run/netns/absent" })),
      /^4 CNI_NETNS: network namespace \/run\/netns\/absent cannot be opened: ENOENT/,
    );
    assert.match(code(await add({ config: { ipam: { type: "dhcp" } } })), /^2 network configuration: ipam\.type is "dhcp"/);
    assert.match(code(await add({ config: { ipam: { type: "antrea" } } })), /^2 .*IPPools are not there yet/);
    assert.match(code(await ask(socketPath, cniRequest("MOVE"))), /^4 CNI_COMMAND is "MOVE"/);
    assert.match(code(await add({ form: 2 })), /^202 /);
    await untouched();
  });

  it("ports of pods that vanished are collected at the start", async () => {
    await add();
    await server.close();
    await pod.deleteLink({ name: "eth0" });
    await start();
    while (ports.all().length > 0) await sleep(systemClock, milliseconds(5));
    assert.deepEqual(purged, ["10.5.0.2", "fd05::2"]);
  });

  it("twenty pods at once get twenty different addresses", async () => {
    const pods = await Promise.all(Array.from({ length: 20 }, createPod));
    const replies = await Promise.all(pods.map(({ path }, index) => add({ netns: path, containerId: `c${index}` })));
    assert.deepEqual([...new Set(replies.map(code))], ["done"]);
    assert.equal(new Set(ports.all().flatMap(({ addresses }) => addresses.map(String))).size, 40);
  });

  it("chained after another plugin, ADD takes that one's wire into the switch, gives its result back, and DEL leaves the wire to it", async () => {
    await server.close();
    let routed = 0;
    await start({ chained: true, podRouted: async () => void routed++ });
    assert.match(code(await add()), /^7 network configuration: prevResult is missing: .* must come after the plugin/);
    const prevResult = {
      cniVersion: "1.0.0",
      interfaces: [
        { name: "veth9", mac: "02:00:00:00:00:09" },
        { name: "eth0", mac: "02:00:00:00:00:02", sandbox: pod.path },
      ],
      ips: [
        { interface: 1, address: "10.9.0.2/24", gateway: "10.9.0.1" },
        { interface: 1, address: "fd09::2/64" },
      ],
      "x.other": [1],
    };
    const chained = { config: { prevResult, ipam: undefined } };
    assert.match(code(await add(chained)), /^102 interface eth0 that the plugin before this one made: it is missing in the pod$/);
    await node.createVeth({ name: "veth9", up: true }, { name: "eth0", up: true, namespace: pod });
    assert.deepEqual(await add(chained), { result: prevResult });
    assert.deepEqual(
      ports.all().map(({ interfaceName, addresses, podName }) => [interfaceName, addresses.join(), podName]),
      [["veth9", "10.9.0.2,fd09::2", "web-0"]],
    );
    assert.deepEqual([routed, await pod.getOffload("eth0", "txChecksum")], [1, false]);
    assert.deepEqual(await add(chained), { result: prevResult }, "once more");
    assert.equal(ports.all().length, 1);
    policy = async () => {
      throw new Error("no");
    };
    assert.match(code(await add(chained)), /^999 no|^\d+ no/);
    assert.deepEqual([ports.all(), [...ports.claimed], await nodeLinks()], [[], [], ["veth9"]]);
    policy = async () => {};
    await add(chained);
    assert.equal(code(await ask(socketPath, cniRequest("DEL", { netns: pod.path, ...chained }))), "done");
    assert.deepEqual([ports.all(), await nodeLinks()], [[], ["veth9"]]);
    assert.deepEqual(purged.slice(-2), ["10.9.0.2", "fd09::2"]);
  });

  it("where the switch answers for no router, a chained pod is told the link address of its own", async () => {
    await server.close();
    const routersMac = parseMac("0e:00:00:00:00:01");
    await start({ chained: true, routersMac });
    const prevResult = {
      cniVersion: "1.0.0",
      interfaces: [{ name: "veth9" }, { name: "eth0", sandbox: pod.path }],
      ips: [{ interface: 1, address: "fd09::2/128", gateway: "fd09::1" }],
    };
    await node.createVeth({ name: "veth9", up: true }, { name: "eth0", up: true, namespace: pod });
    const { index: linkIndex } = await pod.link({ name: "eth0" });
    await pod.addAddress({ linkIndex, address: parseAddress("fd09::2"), prefixLength: 128, noDuplicateDetection: true });
    await pod.replaceRoute({ destination: parsePrefix("fd09::1/128"), linkIndex });
    await pod.replaceRoute({ destination: parsePrefix("::/0"), gateway: parseAddress("fd09::1"), linkIndex });
    assert.deepEqual(await add({ config: { prevResult, ipam: undefined } }), { result: prevResult });
    const known = (await pod.neighbours({ linkIndex, family: 6 })).filter(({ permanent }) => permanent);
    assert.deepEqual(
      known.map(({ address, mac }) => `${address} ${mac}`),
      [`fd09::1 ${routersMac}`],
    );
  });
});
