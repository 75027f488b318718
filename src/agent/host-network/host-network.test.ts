import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { hostMarkMac } from "#core/pipeline/host-mark.ts";
import type { RemoteNode } from "#core/pipeline/rows.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createNetlink, type NetworkNamespace } from "#lib/netlink/index.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import { createNftables } from "#lib/nftables/index.ts";
import { milliseconds, silentLogger, sleep, systemClock, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { podLinkGroup } from "../cni/index.ts";
import { type HostNetwork, keepHostNetwork } from "./keep.ts";
import { routeOwner } from "./routes.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };
const gatewayMac = parseMac("02:00:00:00:00:aa");
const podMac = parseMac("0a:58:0a:05:00:02");

/** Stands for the switch and one pod behind the gateway, and for a machine outside the cluster. */
describe("the node's own network", () => {
  const netlink = createNetlink({ runtime });
  const stop = new AbortController();
  const remoteNodes = createTable<RemoteNode>({ name: "remote nodes", key: ({ name }) => name });
  let node: NetworkNamespace;
  let pod: NetworkNamespace;
  let outside: NetworkNamespace;
  let hostNetwork: HostNetwork;

  const into = ({ fd }: NetworkNamespace): string[] => ["nsenter", `--net=/proc/${process.pid}/fd/${fd}`];
  const inside = async (namespace: NetworkNamespace, ...command: string[]): Promise<string> => {
    const [program = "", ...args] = [...into(namespace), ...command];
    return (await run(program, args, { timeout: amplePatience })).stdout;
  };
  const ping = (from: NetworkNamespace, address: string): Promise<string> => inside(from, "busybox", "ping", "-c1", "-W2", address);
  /** Resolves when `right` holds. */
  const until = async (right: () => Promise<boolean>): Promise<void> => {
    while (!(await right())) await sleep(systemClock, milliseconds(5));
  };
  const ours = async (): Promise<string[]> => {
    const routes = [
      ...(await node.routes({ family: 4, protocol: routeOwner })),
      ...(await node.routes({ family: 6, protocol: routeOwner })),
    ];
    return routes.map(({ destination, gateway, source }) => `${destination} via ${gateway} src ${source}`).sort();
  };
  const addAddress = async (namespace: NetworkNamespace, name: string, text: string): Promise<void> => {
    const [address = "", length] = text.split("/");
    const { index: linkIndex } = await namespace.link({ name });
    await namespace.addAddress({ linkIndex, address: parseAddress(address), prefixLength: Number(length), noDuplicateDetection: true });
  };
  const addGateway = async (): Promise<void> => {
    await node.createVeth({ name: "gw0", mac: gatewayMac }, { name: "eth0", mac: podMac, up: true, namespace: pod });
    for (const [namespace, name] of [
      [pod, "eth0"],
      [node, "gw0"],
    ] as const)
      await namespace.writeSysctl(`net/ipv6/conf/${name}/accept_dad`, "0");
    // Pod interfaces live on a netdev bridge here: nobody fills in checksums that were left open.
    await pod.setOffload("eth0", "txChecksum", false);
    await addAddress(pod, "eth0", "10.5.0.2/24");
    await addAddress(pod, "eth0", "fd05::2/64");
  };

  before(async () => {
    [node, pod, outside] = await Promise.all([netlink.create(), netlink.create(), netlink.create()]);
    // As hardened hosts have it: only what says so itself is looser.
    for (const each of ["all", "default"]) await node.writeSysctl(`net/ipv4/conf/${each}/rp_filter`, "1");
    await node.createVeth({ name: "up0", up: true }, { name: "eth0", up: true, namespace: outside });
    await addAddress(node, "up0", "192.0.2.1/24");
    await addAddress(node, "up0", "2001:db8::1/64");
    await addAddress(outside, "eth0", "192.0.2.2/24");
    await addAddress(outside, "eth0", "2001:db8::2/64");
    await addGateway();
    hostNetwork = await keepHostNetwork({
      runtime,
      netlink: { ...netlink, home: node },
      nftables: createNftables({ command: [...into(node), "nft"] }),
      remoteNodes,
      gateway: "gw0",
      mtu: 1400,
      datapath: "netdev",
      podCIDRs: [parsePrefix("10.5.0.0/24"), parsePrefix("fd05::/64")],
      transportInterface: "up0",
      masquerade: true,
      fullyRandomPorts: false,
      signal: stop.signal,
    });
    await hostNetwork.whenReady();
    await pod.replaceRoute({ destination: parsePrefix("0.0.0.0/0"), gateway: parseAddress("10.5.0.1") });
    await pod.replaceRoute({ destination: parsePrefix("::/0"), gateway: parseAddress("fd05::1") });
  });
  after(async () => {
    stop.abort();
    await netlink.close();
  });

  it("gives the gateway its addresses and MTU", async () => {
    const link = await node.link({ name: "gw0" });
    assert.deepEqual([link.up, link.mtu], [true, 1400]);
    const addresses = await node.addresses({ linkIndex: link.index });
    const global = addresses.filter(({ scope }) => scope === "universe").map(({ address, prefixLength }) => `${address}/${prefixLength}`);
    assert.deepEqual(global.sort(), ["10.5.0.1/24", "fd05::1/64"]);
    await ping(node, "10.5.0.2");
    await ping(node, "fd05::2");
  });

  it("hides pods behind the node towards the outside, of both families", async () => {
    // The outside has no route to pods: an answer proves that it saw the node's address.
    await ping(pod, "192.0.2.2");
    await ping(pod, "2001:db8::2");
  });

  it("marks what the node itself sends, and neither its answers nor what it forwards", async () => {
    await outside.replaceRoute({ destination: parsePrefix("10.5.0.0/24"), gateway: parseAddress("192.0.2.1") });
    const sources = async (filter: string, send: () => Promise<unknown>): Promise<string> => {
      const [program = "", ...args] = [...into(pod), "tcpdump", "-l", "-n", "-e", "-c1", "-i", "eth0", filter];
      const capture = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      capture.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      await once(capture.stderr, "data");
      const ended = once(capture, "close");
      await send();
      await ended;
      return text.match(/([0-9a-f:]{17}) >/)?.[1] ?? "";
    };
    assert.equal(await sources("icmp[icmptype] == icmp-echo", () => ping(node, "10.5.0.2")), String(hostMarkMac));
    assert.equal(await sources("icmp6[icmp6type] == 128", () => ping(node, "fd05::2")), String(hostMarkMac));
    assert.equal(await sources("icmp[icmptype] == icmp-echoreply", () => ping(pod, "10.5.0.1")), String(gatewayMac));
    assert.equal(await sources("icmp[icmptype] == icmp-echo", () => ping(outside, "10.5.0.2")), String(gatewayMac));
  });

  it("hears pods by the switch alone: no broadcast and no multicast of theirs reaches the node past their policies", async () => {
    const frame = (to: string, mac: string): Uint8Array =>
      encodeFrame({
        destination: parseMac(mac),
        source: podMac,
        payload: {
          kind: "ipv4",
          source: parseAddress("0.0.0.0"),
          destination: parseAddress(to),
          ttl: 64,
          payload: { kind: "udp", sourcePort: 68, destinationPort: 67, payload: new Uint8Array(8) },
        },
      });
    const frames = [frame("255.255.255.255", "ff:ff:ff:ff:ff:ff"), frame("224.0.0.1", "01:00:5e:00:00:01")];
    const taken = async (): Promise<number> => {
      const [names = "", values = ""] = (await inside(node, "cat", "/proc/net/snmp")).split("\n").filter((line) => line.startsWith("Ip: "));
      return Number(values.split(" ")[names.split(" ").indexOf("InDelivers")]);
    };
    const wire = async (name: string, group: number): Promise<() => Promise<void>> => {
      await node.createVeth({ name, up: true, group }, { name, up: true, namespace: outside });
      const { index } = await outside.link({ name });
      return () => outside.sendFrames(index, frames);
    };
    const [sendAsPod, sendAsOther] = [await wire("wire-p", podLinkGroup), await wire("wire-o", 0)];
    const before = await taken();
    await sendAsPod();
    await sendAsOther();
    await until(async () => (await taken()) >= before + frames.length);
    assert.equal(await taken(), before + frames.length, "those of the other wire alone");
    for (const name of ["wire-p", "wire-o"]) await node.deleteLink({ name });
  });

  it("routes to the pods of other nodes, keeps others' routes, and deletes only when it knows all nodes", async () => {
    const { index: linkIndex } = await node.link({ name: "gw0" });
    const foreign = { destination: parsePrefix("10.99.0.0/16"), gateway: parseAddress("192.0.2.2"), protocol: 4 };
    await node.replaceRoute(foreign);
    // Left by an agent before this one, for a node that is no more.
    const old = {
      destination: parsePrefix("10.9.0.0/24"),
      gateway: parseAddress("10.9.0.1"),
      linkIndex,
      onLink: true,
      protocol: routeOwner,
    };
    await node.replaceRoute(old);
    const synced = remoteNodes.initializer("test");
    remoteNodes.upsert({ name: "b", podCIDRs: [parsePrefix("10.6.0.0/24"), parsePrefix("fd06::/64")], transportAddresses: [] });
    const toB = ["10.6.0.0/24 via 10.6.0.1 src 10.5.0.1", "fd06::/64 via fd06::1 src fd05::1"];
    await until(async () => (await ours()).length === 3);
    synced();
    await until(async () => (await ours()).length === 2);
    assert.deepEqual(await ours(), toB);
    assert.equal((await node.routes({ family: 4, protocol: 4 })).length, 1);

    await node.deleteRoute({ destination: parsePrefix("10.6.0.0/24"), protocol: routeOwner });
    await until(async () => (await ours()).length === 2);
    remoteNodes.delete("b");
    await until(async () => (await ours()).length === 0);
    assert.equal((await node.routes({ family: 4, protocol: 4 })).length, 1);
  });

  it("says so when somebody else routes a pod CIDR, and leaves that route alone", async () => {
    await node.replaceRoute({ destination: parsePrefix("10.7.0.0/24"), gateway: parseAddress("192.0.2.2"), protocol: 4 });
    remoteNodes.upsert({ name: "c", podCIDRs: [parsePrefix("10.7.0.0/24"), parsePrefix("fd07::/64")], transportAddresses: [] });
    await until(async () => (await ours()).length === 1 && hostNetwork.failures.has("routes"));
    assert.match(
      hostNetwork.failures.get("routes") ?? "",
      /10\.7\.0\.0\/24 cannot be reached: a route to it of another program \(protocol 4\)/,
    );
    remoteNodes.delete("c");
    await until(async () => (await ours()).length === 0);
  });

  it("puts everything right after the gateway was made anew", async () => {
    remoteNodes.upsert({ name: "d", podCIDRs: [parsePrefix("10.8.0.0/24")], transportAddresses: [] });
    await until(async () => (await ours()).length === 1);
    await node.deleteLink({ name: "gw0" });
    await addGateway();
    await until(async () => (await ours()).length === 1 && (await node.link({ name: "gw0" })).mtu === 1400);
    await ping(node, "10.5.0.2");
  });
});
